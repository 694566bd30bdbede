package engine

import (
	"os"
	"path/filepath"
	"strconv"
)

// User gives where a user's own records and logs are kept, who ran an event by the service: beside the host's, since what
// runs as that user writes them itself.
func (p Paths) User(uid int) Paths {
	name := strconv.Itoa(uid)
	p.State, p.Logs = filepath.Join(p.State, "users", name), filepath.Join(p.Logs, "users", name)
	return p
}

// All gives the host's own and those of every user who has some.
func (p Paths) All() []Paths {
	all := []Paths{p}
	entries, _ := os.ReadDir(filepath.Join(p.State, "users")) // none: nobody else ran an event here
	for _, e := range entries {
		if uid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, p.User(uid))
		}
	}
	return all
}
