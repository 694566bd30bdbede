package awssim

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// memberList is a list of the query protocol. It is there also when it is empty, as AWS has it.
type memberList[T any] struct {
	Member []T `xml:"member"`
}

func listOf[T any](v []T) memberList[T] { return memberList[T]{v} }

func (c *call) text(name string) string { return c.form.Get(name) }

func (c *call) yes(name string) bool { return strings.EqualFold(c.form.Get(name), "true") }

// number reads an integer; given says whether there is one.
func (c *call) number(name string) (n int, given bool, err error) {
	v := c.form.Get(name)
	if v == "" {
		return 0, false, nil
	}
	if n, err = strconv.Atoi(v); err != nil {
		return 0, false, fails(400, "MalformedInput", "Value '%s' at '%s' is not an integer", v, name)
	}
	return n, true, nil
}

// seconds is number as a duration.
func (c *call) seconds(name string, into *time.Duration) error {
	n, given, err := c.number(name)
	if given {
		*into = time.Duration(n) * time.Second
	}
	return err
}

// when reads a time; the zero one is none.
func (c *call) when(name string) (time.Time, error) {
	v := c.form.Get(name)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return t, fails(400, "MalformedInput", "Value '%s' at '%s' is not a timestamp", v, name)
	}
	return t, nil
}

// structs reads a list of structures: NAME.member.1.KEY and so on.
func (c *call) structs(name string) (out []url.Values) {
	for i := 1; ; i++ {
		prefix := fmt.Sprintf("%s.member.%d.", name, i)
		one := url.Values{}
		for k, v := range c.form {
			if rest, ok := strings.CutPrefix(k, prefix); ok {
				one[rest] = v
			}
		}
		if len(one) == 0 {
			return out
		}
		out = append(out, one)
	}
}

// unmet is the words in which Auto Scaling refuses a parameter.
func unmet(value, at, constraint string) error {
	if value != "null" {
		value = "'" + value + "'"
	}
	return invalid("1 validation error detected: Value %s at '%s' failed to satisfy constraint: Member must %s", value, at, constraint)
}

// need refuses a call without these parameters.
func (c *call) need(names ...string) error {
	for _, n := range names {
		if c.form.Get(n) == "" {
			return unmet("null", strings.ToLower(n[:1])+n[1:], "not be null")
		}
	}
	return nil
}

// group is the group that the call names.
func (c *call) group() (*group, error) {
	if err := c.need("AutoScalingGroupName"); err != nil {
		return nil, err
	}
	name := c.text("AutoScalingGroupName")
	g := c.st.Groups[name]
	if g == nil {
		return nil, invalid("AutoScalingGroup name not found - AutoScalingGroup '%s' not found", name)
	}
	return g, nil
}

// live is group, but for one that is being deleted.
func (c *call) live() (*group, error) {
	g, err := c.group()
	if err == nil && g.Deleting {
		return nil, invalid("AutoScalingGroup '%s' is pending delete", g.Name)
	}
	return g, err
}

// page cuts out what MaxRecords and NextToken ask for.
func page[T any](c *call, items []T, fallback, limit int) (part []T, next string, err error) {
	n, given, err := c.number("MaxRecords")
	if err != nil {
		return nil, "", err
	}
	switch {
	case !given:
		n = fallback
	case n < 1:
		return nil, "", unmet(strconv.Itoa(n), "maxRecords", "have value greater than or equal to 1")
	case n > limit:
		return nil, "", unmet(strconv.Itoa(n), "maxRecords", fmt.Sprintf("have value less than or equal to %d", limit))
	}
	from := 0
	if token := c.text("NextToken"); token != "" {
		raw, err := base64.StdEncoding.DecodeString(token)
		if from, _ = strconv.Atoi(string(raw)); err != nil || from <= 0 || from > len(items) {
			return nil, "", fails(400, "InvalidNextToken", "The token '%s' is not valid", token)
		}
	}
	if from+n < len(items) {
		next = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(from + n)))
	}
	return items[from:min(from+n, len(items))], next, nil
}

// sorted gives a map's values in the order of their keys.
func sorted[T any](m map[string]T) (out []T) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = append(out, m[k])
	}
	return out
}

// stamp is a time in the texts of reasons and causes: whole seconds, truncated.
func stamp(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// moment is a time in an answer, to the millisecond; none where it is not set.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// uuid is shaped as the unique parts of ARNs and ids are. The same run gives the same ones.
func (s *Sim) uuid() string {
	s.seq++
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(s.seq)*2654435761, s.seq) // Knuth's multiplier: they differ at first sight
}
