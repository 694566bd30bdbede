package appspec

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/problem"
)

// Permission is one entry of permissions: who owns what was installed, and its mode, ACL and SELinux context.
type Permission struct {
	problem.Position
	Object, Pattern string
	Except          []string
	Types           []string // file, directory
	Owner, Group    string   // "" where appspec.yml does not say
	Mode            string   // 3 or 4 octal digits; "" where appspec.yml does not say
	ACLs            []ACE    // nil where appspec.yml does not say
	Context         *Context
}

// ACE is one entry of an access control list.
type ACE struct {
	Default              bool
	Type, Name           string
	Read, Write, Execute bool
}

// Context is an SELinux context. Range is nil where appspec.yml does not say.
type Context struct {
	User, Type string
	Range      *Range
}

// Range is an SELinux range.
type Range struct {
	Low, High  int
	Categories []int
}

func (p parser) permissions(doc value, s *Spec) error {
	all := doc.get("permissions")
	if !all.truth || all.kind == kindMap && len(all.keys) == 0 {
		return nil
	}
	const want = "permissions:\n  - object: /opt/app\n    owner: app\n    mode: 755"
	if all.kind != kindList {
		return refuse(all.at, "permissions", want, "permissions is %s, not a list", all.kind)
	}
	for _, item := range all.list {
		object := item.get("object")
		if item.kind != kindMap || object.isNil() || object.stripped() == "" {
			return refuse(item.at, "permissions-object", want, "permissions: the entry has no object, the path that it is for")
		}
		perm := Permission{Position: item.at, Object: object.stripped(), Pattern: "**", Owner: item.get("owner").ruby(), Group: item.get("group").ruby()}
		if pattern := item.get("pattern"); pattern.truth {
			perm.Pattern = pattern.ruby()
		}
		for _, part := range []func(value, *Permission) error{p.except, p.types, p.mode, p.acls, p.context} {
			if err := part(item, &perm); err != nil {
				return err
			}
		}
		s.Permissions = append(s.Permissions, perm)
	}
	return nil
}

// texts gives a list's items; an error where Ruby has no each.
func texts(v value, key, want string) ([]string, error) {
	if !v.truth {
		return nil, nil
	}
	if v.kind == kindMap && (key == "except" || len(v.keys) == 0) {
		return nil, nil // Ruby's each takes a mapping; no name is like its pairs
	}
	if v.kind != kindList {
		return nil, refuse(v.at, "permissions-"+key, want, "permissions: %s is %s, not a list", key, v.kind)
	}
	var out []string
	for _, item := range v.list {
		out = append(out, item.ruby())
	}
	return out, nil
}

func (p parser) except(item value, perm *Permission) (err error) {
	perm.Except, err = texts(item.get("except"), "except", "except: [cache]")
	return err
}

func (p parser) types(item value, perm *Permission) error {
	perm.Types = []string{"file", "directory"}
	v := item.get("type")
	if !v.truth {
		return nil
	}
	list, err := texts(v, "type", "type: [file, directory]")
	if err != nil {
		return err
	}
	for i, t := range list {
		if t != "file" && t != "directory" {
			return refuse(v.list[i].at, "permissions-type", "type: [file, directory]", "permissions: the type %s is neither file nor directory", t)
		}
	}
	perm.Types = list
	return nil
}

func (p parser) mode(item value, perm *Permission) error {
	v := item.get("mode")
	if v.isNil() {
		return nil
	}
	m := v.String()
	for len(m) < 3 {
		m = "0" + m
	}
	if len(m) > 4 {
		return refuse(v.at, "permissions-mode", "mode: 755", "permissions: the mode %s is longer than four digits", m)
	}
	if i := strings.IndexFunc(m, func(r rune) bool { return r < '0' || r > '7' }); i >= 0 {
		return refuse(v.at, "permissions-mode", "mode: 755", "permissions: the mode %s holds %q, which is no octal digit", m, m[i])
	}
	if octal := strconv.FormatInt(v.whole, 8); v.odd {
		p.warn(v.at, "permissions-mode-octal", "mode: "+octal, "permissions: YAML reads the mode's leading 0 as octal, and so the CodeDeploy agent sets mode %s instead of %s", m, octal)
	}
	perm.Mode = m
	return nil
}

func (p parser) acls(item value, perm *Permission) error {
	v := item.get("acls")
	if v.isNil() {
		return nil
	}
	const want = `acls: ["u:app:rwx"]`
	if v.kind != kindList && (v.kind != kindMap || len(v.keys) > 0) {
		return refuse(v.at, "permissions-acls", want, "permissions: acls is %s, not a list", v.kind)
	}
	perm.ACLs = []ACE{}
	for _, e := range v.list {
		if e.kind != kindString {
			return refuse(e.at, "permissions-acls", want, "permissions: the acl entry is %s, not a text", e.kind)
		}
		ace, err := parseACE(e.text)
		if err != nil {
			return refuse(e.at, "permissions-acls", want, "permissions: the acl entry %s %v", e.text, err)
		}
		perm.ACLs = append(perm.ACLs, ace)
	}
	return nil
}

// parseACE reads [default:][user|group|mask|other]:[name]:perm (ace_info.rb).
func parseACE(s string) (ACE, error) {
	var a ACE
	invalid := fmt.Errorf("is not of the form [d:]u|g|m|o:name:rwx")
	parts := strings.Split(s, ":")
	n := len(parts)
	if n < 2 || n > 4 {
		return a, invalid
	}
	isDefault := func(s string) bool { return s == "d" || s == "default" }
	if n == 4 {
		if !isDefault(parts[0]) {
			return a, invalid
		}
		a.Default = true
	}
	types := map[string]string{"m": "mask", "mask": "mask", "o": "other", "other": "other", "g": "group", "group": "group", "u": "user", "user": "user"}
	if n >= 3 {
		switch kind := parts[n-3]; {
		case isDefault(kind) && a.Default:
			return a, invalid
		case isDefault(kind):
			a.Default = true
		case types[kind] == "":
			return a, invalid
		default:
			a.Type = types[kind]
		}
	}
	name := parts[n-2]
	if kind := types[name]; (kind == "mask" || kind == "other") && a.Type == "" {
		a.Type = kind
	} else if kind == "mask" || kind == "other" {
		a.Name = kind
	} else {
		a.Type, a.Name = orElse(a.Type, "user"), name
	}
	if (a.Type == "mask" || a.Type == "other") && a.Name != "" {
		return a, invalid
	}
	if !a.Default && a.Type != "mask" && a.Name == "" {
		return a, fmt.Errorf("is the base entry: set it by mode")
	}
	return a, a.permissions(parts[n-1])
}

func (a *ACE) permissions(s string) error {
	if len(s) == 1 && s[0] >= '0' && s[0] <= '7' {
		bits := s[0] - '0'
		a.Read, a.Write, a.Execute = bits&4 != 0, bits&2 != 0, bits&1 != 0
		return nil
	}
	for _, c := range s {
		switch c {
		case 'r':
			a.Read = true
		case 'w':
			a.Write = true
		case 'x':
			a.Execute = true
		case '-':
		default:
			return fmt.Errorf("holds %q: permissions are r, w, x and -, or one digit from 0 to 7", c)
		}
	}
	return nil
}

func (p parser) context(item value, perm *Permission) error {
	v := item.get("context")
	if v.isNil() {
		return nil
	}
	const want = "context:\n  name: system_u\n  type: httpd_sys_content_t\n  range: s0"
	if v.kind != kindMap {
		return refuse(v.at, "permissions-context", want, "permissions: context is %s, not a mapping", v.kind)
	}
	c := &Context{User: v.get("name").ruby(), Type: v.get("type").ruby()}
	if v.get("type").isNil() {
		return refuse(v.at, "permissions-context", want, "permissions: the context has no type")
	}
	if r := v.get("range"); !r.isNil() {
		if r.kind != kindString {
			return refuse(r.at, "permissions-range", "range: s0", "permissions: the context's range is %s, not a text", r.kind)
		}
		rng, err := parseRange(r.text)
		if err != nil {
			return refuse(r.at, "permissions-range", "range: s0-s1:c0.c5,c7", "permissions: the context's range %s: %v", r.text, err)
		}
		c.Range = &rng
	}
	perm.Context = c
	return nil
}

// parseRange reads s#[-s#][:c#[.c#](,c#[.c#])*] (range_info.rb).
func parseRange(s string) (Range, error) {
	var r Range
	level, cats, hasCats := strings.Cut(s, ":")
	low, high, isRange := strings.Cut(level, "-")
	if level == "" || hasCats && cats == "" || isRange && (low == "" || high == "") {
		return r, fmt.Errorf("a part is empty")
	}
	var err error
	if r.Low, err = numbered(low, 's'); err != nil {
		return r, err
	}
	r.High = r.Low
	if isRange {
		if r.High, err = numbered(high, 's'); err != nil {
			return r, err
		}
	}
	if r.High < r.Low {
		return r, fmt.Errorf("it goes down")
	}
	if hasCats {
		r.Categories, err = categories(cats)
	}
	return r, err
}

func categories(s string) ([]int, error) {
	seen := map[int]bool{}
	out := []int{}
	s = strings.TrimRight(s, ",") // Ruby's split forgets empty parts at the end
	if s == "" {
		return out, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		low, high, isRange := strings.Cut(part, ".")
		if !isRange {
			high = low
		}
		a, err := numbered(low, 'c')
		if err != nil {
			return nil, err
		}
		b, err := numbered(high, 'c')
		if err != nil {
			return nil, err
		}
		if a > 1023 || b > 1023 || b < a {
			return nil, fmt.Errorf("the categories %s: they go up, to c1023", part)
		}
		for c := a; c <= b; c++ {
			if seen[c] {
				return nil, fmt.Errorf("c%d stands twice", c)
			}
			seen[c] = true
			out = append(out, c)
		}
	}
	sort.Ints(out)
	return out, nil
}

func numbered(s string, letter byte) (int, error) {
	if len(s) >= 2 && s[0] == letter && strings.Trim(s[1:], "0123456789") == "" {
		if n, err := strconv.Atoi(s[1:]); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q is not %c and a number", s, letter)
}
