package check

import (
	"fmt"
	"strconv"
	"strings"
)

// defaultStatus is what a healthy answer has where nobody says otherwise.
const defaultStatus = "200-299"

// Status is a set of HTTP status codes, written as a target group's matcher writes it.
type Status struct{ ranges []codes }

type codes struct{ from, to int }

// ParseStatus reads codes and ranges: "200", "200,204", "200-399". "" is 200-299.
func ParseStatus(text string) (Status, error) {
	if strings.TrimSpace(text) == "" {
		text = defaultStatus
	}
	var s Status
	for _, part := range strings.Split(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, ok1 := parseCode(low)
		to, ok2 := parseCode(high)
		switch {
		case !ok1, !ok2:
			return Status{}, fmt.Errorf("cannot read %s in status: want codes from 100 to 599 as in \"200\", \"200,204\" or \"200-399\"", quoted(part))
		case from > to:
			return Status{}, fmt.Errorf("cannot read %s in status: the range is the wrong way round", quoted(part))
		}
		s.ranges = append(s.ranges, codes{from, to})
	}
	return s, nil
}

// parseCode takes three digits, 100 to 599.
func parseCode(text string) (int, bool) {
	text = strings.TrimSpace(text)
	code, err := strconv.Atoi(text)
	return code, err == nil && len(text) == 3 && code >= 100 && code <= 599
}

// Match says whether code is in the set.
func (s Status) Match(code int) bool {
	for _, r := range s.ranges {
		if code >= r.from && code <= r.to {
			return true
		}
	}
	return false
}

// String is the set as ParseStatus reads it.
func (s Status) String() string {
	parts := make([]string, len(s.ranges))
	for i, r := range s.ranges {
		parts[i] = strconv.Itoa(r.from)
		if r.to != r.from {
			parts[i] += "-" + strconv.Itoa(r.to)
		}
	}
	return strings.Join(parts, ",")
}
