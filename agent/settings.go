package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/api"
	"github.com/codedeploy-wingman/wingman/agent/journald"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// settings are host.yml's as they hold: the last that were without a fault.
type settings struct {
	mu   sync.Mutex
	now  state
	seen string // what the file looked like when it was last read
}

// state is what holds at one time.
type state struct {
	host    *plan.Host // nil: there never was a file without a fault
	text    []byte     // the file's; nil: there is none, the defaults hold
	read    time.Time
	problem string // why the file as it is now does not hold; "" if it does
}

func (s *settings) get() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// load reads the file. One with a fault is refused, and what held goes on to hold.
func (s *settings) load(file string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read(file)
}

func (s *settings) read(file string) error {
	s.seen = look(file)
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		text, err = nil, nil
	}
	var host plan.Host
	if err == nil {
		host, err = plan.LoadHost(file)
	}
	if err == nil { // the file may have changed between the two looks: what is given to runs is what was found good
		host, err = plan.ParseHost(text, file)
	}
	if err != nil {
		s.now.problem = err.Error()
		return err
	}
	s.now = state{host: &host, text: text, read: time.Now()}
	return nil
}

// fresh gives the settings, read again where the file has changed: nobody has to think of a reload before the night's
// deployment, and a fault in the file stops none.
func (s *settings) fresh(file string, log *slog.Logger) state {
	s.mu.Lock()
	defer s.mu.Unlock()
	if look(file) != s.seen {
		if err := s.read(file); err != nil {
			log.Error("host.yml is refused, what held before holds on", journald.Err, err)
		} else {
			log.Info("settings read", "file", file)
		}
	}
	return s.now
}

// look says what can be seen of a file without reading it.
func look(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), info.Size(), info.Mode())
}

// notes are what each run has to say of them.
func (s state) notes() []string {
	if s.problem == "" || s.host == nil {
		return nil
	}
	return []string{fmt.Sprintf("host.yml has a fault and is refused; the settings read at %s hold: %s", s.read.Local().Format("2006-01-02 15:04:05 MST"), firstLine(s.problem))}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// reload reads the settings again, as SIGHUP does, and says what is wrong with them.
func (a *Agent) reload(w http.ResponseWriter, r *http.Request) {
	if err := a.Reload(); err != nil {
		refuse(w, http.StatusUnprocessableEntity, api.BadInput, "%s\nnot reloaded: what held before holds on", err)
		return
	}
	answer(w, http.StatusOK, a.settings.get().api(a.Paths.Settings))
}

// Reload reads host.yml again. One with a fault is refused, and what held goes on to hold.
func (a *Agent) Reload() error {
	a.reloading()
	defer a.ready()
	err := a.settings.load(a.Paths.Settings)
	if err != nil {
		a.Log.Error("not reloaded: what held before holds on", journald.Err, err)
		return err
	}
	a.Log.Info("settings read", "file", a.Paths.Settings)
	return nil
}

func (s state) api(file string) api.Settings {
	out := api.Settings{File: file, Read: s.read, Problem: s.problem}
	if s.host != nil {
		out.Executor, out.Guard = string(s.host.Executor), string(s.host.Guard.Mode)
	}
	return out
}
