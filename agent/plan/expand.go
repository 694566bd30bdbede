package plan

import (
	"fmt"
	"sort"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/check"
)

// variables gives the names of the ${NAME} in text. A dollar that neither { nor another dollar follows stands for itself.
func variables(text string) ([]string, error) {
	var names []string
	_, err := expand(text, func(name string) (string, error) {
		names = append(names, name)
		return "", nil
	})
	return names, err
}

// expand puts values for ${NAME} and a dollar for $$. Values are not looked at again.
func expand(text string, value func(name string) (string, error)) (string, error) {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 || i+1 == len(text) {
			b.WriteString(text)
			return b.String(), nil
		}
		b.WriteString(text[:i])
		switch rest := text[i+1:]; rest[0] {
		case '$':
			b.WriteByte('$')
			text = rest[1:]
		case '{':
			name, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return "", fmt.Errorf("${ without a } in %q", short(text[i:]))
			}
			if !isName(name) {
				return "", fmt.Errorf("${%s}: between the braces stands the name of a variable, and nothing else", short(name))
			}
			v, err := value(name)
			if err != nil {
				return "", err
			}
			b.WriteString(v)
			text = after
		default:
			b.WriteByte('$')
			text = rest
		}
	}
}

// unknown is the error of a ${NAME} that stands for nothing.
type unknown string

func (u unknown) Error() string { return "${" + string(u) + "} stands for nothing" }

// resolve expands the variables of env by each other and by outer.
func resolve(env map[string]string, outer func(name string) (string, bool)) (map[string]string, error) {
	out := map[string]string{}
	busy := map[string]bool{}
	var one func(name string) (string, error)
	one = func(name string) (string, error) {
		if v, done := out[name]; done {
			return v, nil
		}
		raw, ours := env[name]
		if !ours {
			if v, ok := outer(name); ok {
				return v, nil
			}
			return "", unknown(name)
		}
		if busy[name] {
			return "", fmt.Errorf("%s refers to itself", name)
		}
		busy[name] = true
		v, err := expand(raw, one)
		if err != nil {
			return "", err
		}
		busy[name] = false
		out[name] = v
		return v, nil
	}
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	sort.Strings(names) // the same error each time
	for _, name := range names {
		if _, err := one(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mapper changes one text.
type mapper func(text string) (string, error)

// mapStep gives the step with each of its texts changed; the original is left as it is.
func mapStep(s Step, f mapper) (Step, error) {
	var err error
	do := func(t *string) {
		if err == nil {
			*t, err = f(*t)
		}
	}
	do(&s.Name)
	do(&s.Script)
	do(&s.User)
	s.Command = append([]string{}, s.Command...)
	for i := range s.Command {
		do(&s.Command[i])
	}
	s.When.Tags = mapTexts(s.When.Tags, do)
	if s.Check != nil && err == nil {
		var c check.Settings
		c, err = mapCheck(*s.Check, f)
		s.Check = &c
	}
	return s, err
}

func mapTexts(m map[string]string, do func(*string)) map[string]string {
	if m == nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range m {
		do(&v)
		out[k] = v
	}
	return out
}

// mapCheck gives the check with each of its texts changed.
func mapCheck(s check.Settings, f mapper) (check.Settings, error) {
	var err error
	do := func(t *string) {
		if err == nil {
			*t, err = f(*t)
		}
	}
	switch {
	case s.HTTP != nil:
		h := *s.HTTP
		do(&h.URL)
		do(&h.Method)
		do(&h.Status)
		do(&h.Body)
		h.Headers = mapTexts(h.Headers, do)
		s.HTTP = &h
	case s.TCP != nil:
		t := *s.TCP
		do(&t.Address)
		s.TCP = &t
	case s.Command != nil:
		c := *s.Command
		c.Argv = append([]string{}, c.Argv...)
		for i := range c.Argv {
			do(&c.Argv[i])
		}
		do(&c.User)
		s.Command = &c
	case s.Systemd != nil:
		u := *s.Systemd
		do(&u.Unit)
		s.Systemd = &u
	case s.Build != nil:
		b := *s.Build
		do(&b.URL)
		do(&b.Equals)
		do(&b.Contains)
		s.Build = &b
	}
	return s, err
}
