package awssim

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of tags: the user guide, ec2-auto-scaling-tagging.
const (
	maxTags    = 50
	maxTagCall = 25
	maxTagKey  = 128
	maxTagText = 256
)

// tagDescription is a tag as answers have it.
type tagDescription struct {
	ResourceId, ResourceType, Key, Value string
	PropagateAtLaunch                    bool
}

func (g *group) tagList() (out []tagDescription) {
	for key, t := range g.Tags {
		out = append(out, tagDescription{g.Name, "auto-scaling-group", key, t.Value, t.Launch})
	}
	slices.SortFunc(out, func(a, b tagDescription) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// checkTags refuses what AWS refuses about the tags of one call.
func checkTags(tags []url.Values) error {
	if len(tags) > maxTagCall {
		return unmet("[...]", "tags", "have length less than or equal to "+strconv.Itoa(maxTagCall))
	}
	for i, t := range tags {
		at := "tags." + strconv.Itoa(i+1) + ".member."
		key, value := t.Get("Key"), t.Get("Value")
		switch {
		case key == "":
			return unmet(key, at+"key", "have length greater than or equal to 1")
		case utf8.RuneCountInString(key) > maxTagKey:
			return unmet(key, at+"key", "have length less than or equal to "+strconv.Itoa(maxTagKey))
		case utf8.RuneCountInString(value) > maxTagText:
			return unmet(value, at+"value", "have length less than or equal to "+strconv.Itoa(maxTagText))
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("aws: prefixed tag key names are not allowed for external use.")
		}
	}
	return nil
}

// tags reads and checks the tags of a call, and that their groups are there.
func (c *call) tags() ([]url.Values, error) {
	tags := c.structs("Tags")
	for _, t := range tags {
		if c.st.Groups[t.Get("ResourceId")] == nil { // the words are these calls' own: cloud-custodian's issue 380
			return nil, invalid("AutoScalingGroup not found - AutoScaling Group %s not found", t.Get("ResourceId"))
		}
	}
	return tags, checkTags(tags)
}

// setTag is one tag of CreateOrUpdateTags, whoever asks.
func (s *Sim) setTag(g *group, key string, t tag) {
	g.Tags[key] = t
	s.emit(Change{Kind: Tagged, Group: g.Name, Text: key + "=" + t.Value})
}

func (c *call) createOrUpdateTags() (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, t := range tags { // all or nothing: a call that is refused has set no tag
		g := c.st.Groups[t.Get("ResourceId")]
		if _, have := g.Tags[t.Get("Key")]; !have {
			count[g.Name]++
		}
		if len(g.Tags)+count[g.Name] > maxTags {
			return nil, fails(400, "LimitExceeded", "Exceeded limit of %d tags for AutoScalingGroup %s", maxTags, g.Name)
		}
	}
	for _, t := range tags {
		c.setTag(c.st.Groups[t.Get("ResourceId")], t.Get("Key"), tag{t.Get("Value"), t.Get("PropagateAtLaunch") == "true"})
	}
	return nil, nil
}

// deleteTags leaves a tag whose value is not the given one (the guide says so); without a value it takes any.
func (c *call) deleteTags() (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		g, key := c.st.Groups[t.Get("ResourceId")], t.Get("Key")
		have, is := g.Tags[key]
		if !is || t.Has("Value") && t.Get("Value") != have.Value && !c.Switches.DeleteTagsIgnoresValue {
			continue
		}
		delete(g.Tags, key)
		c.emit(Change{Kind: Untagged, Group: g.Name, Text: key})
	}
	return nil, nil
}

func (c *call) describeTags() (any, error) {
	var all []tagDescription
	for _, g := range sorted(c.st.Groups) {
		all = append(all, g.tagList()...)
	}
	for _, f := range c.structs("Filters") {
		all = slices.DeleteFunc(all, func(t tagDescription) bool {
			have := map[string]string{"auto-scaling-group": t.ResourceId, "key": t.Key, "value": t.Value, "propagate-at-launch": strconv.FormatBool(t.PropagateAtLaunch)}
			return !slices.Contains(filterValues(f), have[f.Get("Name")])
		})
	}
	return paged(c, "Tags", all, 50, 100)
}

// filterValues reads one filter's values.
func filterValues(f url.Values) (out []string) {
	for i := 1; f.Has("Values.member." + strconv.Itoa(i)); i++ {
		out = append(out, f.Get("Values.member."+strconv.Itoa(i)))
	}
	return out
}

// passes says whether a group has the tags that filters ask for.
func (g *group) passes(filters []url.Values) bool {
	for _, f := range filters {
		name, wanted := f.Get("Name"), filterValues(f)
		key, byKey := strings.CutPrefix(name, "tag:")
		found := slices.ContainsFunc(g.tagList(), func(t tagDescription) bool {
			switch {
			case byKey:
				return t.Key == key && slices.Contains(wanted, t.Value)
			case name == "tag-value":
				return slices.Contains(wanted, t.Value)
			}
			return slices.Contains(wanted, t.Key)
		})
		if !found {
			return false
		}
	}
	return true
}
