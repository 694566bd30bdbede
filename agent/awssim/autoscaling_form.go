package awssim

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
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

// pageAnswer is an answer of one list, under its name, and the token of the next page.
type pageAnswer[T any] struct {
	name, next string
	items      []T
}

func (p pageAnswer[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	named := func(name string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: name}} }
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	if err := e.EncodeElement(listOf(p.items), named(p.name)); err != nil {
		return err
	}
	if p.next != "" {
		if err := e.EncodeElement(p.next, named("NextToken")); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// paged answers with what MaxRecords and NextToken ask for of a list.
func paged[T any](c *call, name string, all []T, fallback, limit int) (any, error) {
	part, next, err := page(c, all, fallback, limit)
	return pageAnswer[T]{name, next, part}, err
}

func page[T any](c *call, all []T, fallback, limit int) (part []T, next string, err error) {
	n, given := c.integer("MaxRecords")
	switch {
	case !given:
		n = fallback
	case n < 1:
		return nil, "", unmet(strconv.Itoa(n), "maxRecords", "have value greater than or equal to 1")
	case n > limit:
		return nil, "", unmet(strconv.Itoa(n), "maxRecords", fmt.Sprintf("have value less than or equal to %d", limit))
	}
	from := 0
	if token := c.form.Get("NextToken"); token != "" {
		raw, err := base64.StdEncoding.DecodeString(token)
		if from, _ = strconv.Atoi(string(raw)); err != nil || from <= 0 || from > len(all) {
			return nil, "", fails(400, "InvalidNextToken", "The token '%s' is not valid", token)
		}
	}
	if from+n < len(all) {
		next = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(from + n)))
	}
	return all[from:min(from+n, len(all))], next, nil
}

func (c *call) text(name string) string { return c.form.Get(name) }

func (c *call) yes(name string) bool { return strings.EqualFold(c.form.Get(name), "true") }

// integer reads a number; given says whether there is one. Clients send no other text: their SDKs are typed.
func (c *call) integer(name string) (n int, given bool) {
	n, err := strconv.Atoi(c.form.Get(name))
	return n, err == nil
}

// into reads a number where there is one.
func (c *call) into(name string, to *int) {
	if n, given := c.integer(name); given {
		*to = n
	}
}

// seconds is into for a duration.
func (c *call) seconds(name string, to *time.Duration) {
	if n, given := c.integer(name); given {
		*to = time.Duration(n) * time.Second
	}
}

// keep reads a text where there is one.
func (c *call) keep(name string, to *string) {
	if c.form.Has(name) {
		*to = c.form.Get(name)
	}
}

// when reads a time; the zero one is none.
func (c *call) when(name string) time.Time {
	t, _ := time.Parse(time.RFC3339, c.form.Get(name))
	return t
}

// among says whether a list parameter names a thing, by any of its names; one that is not given names all.
func (c *call) among(list string, names ...string) bool {
	wanted, given := c.list(list)
	return !given || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(wanted, n) })
}

// structs reads a list of structures: NAME.member.1.KEY and so on.
func (c *call) structs(name string) (out []url.Values) {
	for i := 1; ; i++ {
		prefix, one := fmt.Sprintf("%s.member.%d.", name, i), url.Values{}
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
	g := c.st.Groups[c.text("AutoScalingGroupName")]
	if g == nil {
		if err := c.need("AutoScalingGroupName"); err != nil {
			return nil, err
		}
		return nil, noGroup(c.text("AutoScalingGroupName"))
	}
	return g, nil
}

func noGroup(name string) error {
	return invalid("AutoScalingGroup name not found - AutoScalingGroup '%s' not found", name)
}

// groups gives the group that the call names, or all if it names none.
func (c *call) groups() ([]*group, error) {
	if c.text("AutoScalingGroupName") == "" {
		return sorted(c.st.Groups), nil
	}
	g, err := c.group()
	return []*group{g}, err
}

// sorted gives a map's values in the order of their keys.
func sorted[T any](m map[string]T) (out []T) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
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

// partition is the part of AWS that the region is in.
func (s *Sim) partition() string {
	switch {
	case strings.HasPrefix(s.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(s.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// arn names a thing of a service in this region.
func (s *Sim) arn(service, thing string) string {
	return "arn:" + s.partition() + ":" + service + ":" + s.Region + ":" + s.Account + ":" + thing
}

// globalARN names a thing of a service that has no regions.
func (s *Sim) globalARN(service, thing string) string {
	return "arn:" + s.partition() + ":" + service + "::" + s.Account + ":" + thing
}
