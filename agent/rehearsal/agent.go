package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/codedeploy-wingman/wingman/agent/appspec"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/proc"
)

// agent stands in for the CodeDeploy agent of one instance: what it keeps on disk is laid out as there.
type agent struct {
	root    string // its deployment-root
	install string // stands for / in files' destinations
	env     []string
	note    func(format string, args ...any)
	adapt   func(archive string) error                     // to this machine, what was downloaded; may be nil
	fails   func(d deployment, event lifecycle.Event) bool // this event is made to fail; may be nil
}

// deployment is one deployment as an instance sees it.
type deployment struct {
	lifecycle.Deployment
	bundle   string // the revision's folder, as it would be downloaded
	rollback bool   // of a blue/green deployment, by CodeDeploy
}

// The error codes of the CodeDeploy agent's diagnostics (hook_executor.rb, ScriptError; 5 is any other exception).
const (
	scriptMissing       = 1
	scriptNotExecutable = 2
	scriptTimedOut      = 3
	scriptFailed        = 4
	unknownError        = 5
	outputsLeftOpen     = 6
)

// folder is that of a deployment of the same deployment group.
func (a *agent) folder(d deployment, id string) string { return filepath.Join(a.root, d.GroupID, id) }

func (a *agent) archive(d deployment, id string) string {
	return filepath.Join(a.folder(d, id), "deployment-archive")
}

func (a *agent) instruction(d deployment, name string) string {
	return filepath.Join(a.root, "deployment-instructions", d.GroupID+name)
}

// The two files that say which deployment was the last that installed, and the last that was downloaded.
const (
	lastSuccessful = "_last_successful_install"
	mostRecent     = "_most_recent_install"
)

// execute does what the CodeDeploy agent does for the event e, and fills in how it came out.
func (a *agent) execute(ctx context.Context, d deployment, e *Event, show func(Progress)) {
	start, verdict := time.Now(), Succeeded
	var err error
	switch e.Name {
	case lifecycle.DownloadBundle:
		err = a.download(d)
	case lifecycle.Install:
		err = a.installBundle(d)
	default:
		verdict, err = a.hooks(ctx, d, e, show)
	}
	if err != nil {
		verdict, e.Message = Failed, err.Error()
		if e.Code == 0 {
			e.Code = unknownError
		}
	}
	e.Duration, e.Verdict = time.Since(start), verdict
}

func (a *agent) download(d deployment) error {
	if err := copyTree(d.bundle, a.archive(d, d.ID)); err != nil {
		return err
	}
	if a.adapt != nil {
		if err := a.adapt(a.archive(d, d.ID)); err != nil {
			return err
		}
	}
	return a.point(mostRecent, d)
}

// point writes one of the two files. "Last successful" is written at the end of Install (command_executor.rb).
func (a *agent) point(name string, d deployment) error {
	file := a.instruction(d, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(a.folder(d, d.ID)), 0o600)
}

// from gives the deployment whose revision holds an event's hooks; "" where there is none yet. As in hook_executor.rb
// another revision than the current one is looked for only while the current one is not unpacked.
func (a *agent) from(d deployment, name lifecycle.Event) (string, error) {
	of := lifecycle.RevisionOf(name, d.rollback)
	if _, err := os.Stat(a.archive(d, d.ID)); err == nil || of == lifecycle.Current {
		return d.ID, nil
	}
	file := lastSuccessful
	if of == lifecycle.MostRecent {
		file = mostRecent
	}
	b, err := os.ReadFile(a.instruction(d, file))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return filepath.Base(string(b)), err
}

// hooks runs the scripts of one event, in order, up to the first that fails.
func (a *agent) hooks(ctx context.Context, d deployment, e *Event, show func(Progress)) (Verdict, error) {
	from, err := a.from(d, e.Name)
	if err != nil {
		return Failed, err
	}
	if from == "" {
		return Nothing, nil
	}
	if from != d.ID {
		e.From = from
	}
	archive := a.archive(d, from)
	spec, err := appspec.Load(archive)
	if err == nil && a.fails != nil && a.fails(d, e.Name) {
		var restore func() error
		if restore, err = fail(archive, e.Name, spec); err == nil {
			defer restore() // it failed as asked: what is left in a scratch folder is no matter
			spec, err = appspec.Load(archive)
		}
	}
	if err != nil {
		return Failed, fmt.Errorf("the CodeDeploy agent did not find an AppSpec file it can use within the unpacked revision directory: %w", err)
	}
	scripts := spec.Hooks[string(e.Name)]
	if len(scripts) == 0 {
		return Nothing, nil
	}
	return a.scripts(ctx, d, e, archive, scripts, show)
}

func (a *agent) scripts(ctx context.Context, d deployment, e *Event, archive string, scripts []appspec.Hook, show func(Progress)) (Verdict, error) {
	var console tail
	console.add("LifecycleEvent - " + string(e.Name))
	for _, h := range scripts {
		console.add("Script - " + h.Location)
		start := time.Now()
		code, err := a.script(ctx, d, e.Name, archive+"/"+h.Location, h, &lines{each: func(line string) {
			console.add("[stdout]" + line)
			show(Progress{Hook: h.Location, Text: line})
		}})
		e.Hooks = append(e.Hooks, Hook{h.Location, time.Since(start)})
		if err != nil {
			e.Code, e.Script, e.Console, e.Lost = code, h.Location, console.kept, console.lost
			return Failed, err
		}
	}
	return Succeeded, nil
}

// script runs one script as the CodeDeploy agent does, and tells its end in the CodeDeploy agent's words.
func (a *agent) script(ctx context.Context, d deployment, name lifecycle.Event, file string, h appspec.Hook, out *lines) (int, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return scriptMissing, says("Script does not exist at specified location: %s", file)
	case info.IsDir():
		return scriptFailed, says("Script at specified location: %s failed with error Errno::EACCES with message Permission denied - %s", h.Location, file)
	case strings.ContainsAny(h.Location, appspec.ShellCharacters):
		word, _, _ := strings.Cut(file, " ")
		return scriptFailed, says("Script at specified location: %s failed with error Errno::ENOENT with message No such file or directory - %s\nwingman: the CodeDeploy agent gives the path to a shell unquoted, and so neither finds nor runs this script: rename it", h.Location, word)
	}
	vars := d.Variables(name)
	if h.Sudo {
		a.note("%s: sudo is not called; as sudo would, it takes away CodeDeploy's variables", h.Location)
		vars = nil
	}
	s := proc.Spec{Argv: []string{file}, Script: true, Dir: "/", Env: merged(a.env, vars), Timeout: h.Timeout, Output: out}
	if h.RunAs != nil && *h.RunAs != "" {
		if os.Geteuid() == 0 {
			s.User = *h.RunAs
		} else {
			a.note("%s: runas %s is passed over: only root may switch users", h.Location, *h.RunAs)
		}
	}
	end := proc.Run(ctx, s)
	out.end()
	as := ""
	if s.User != "" {
		as = " run as user " + s.User
	}
	switch {
	case ctx.Err() != nil:
		return scriptFailed, errors.New("interrupted")
	case end.How == proc.TimedOut:
		return scriptTimedOut, says("Script at specified location: %s%s failed to complete in %d seconds", h.Location, as, int(h.Timeout.Seconds()))
	case len(end.Holders) > 0 && !released(ctx, end.Holders, min(h.Timeout, patience)):
		return outputsLeftOpen, says("Script at specified location: %s%s failed to close STDOUT\nwingman: the script has ended, but %s (pid %d), which it started, holds its output: the CodeDeploy agent would wait for it until the timeout of %d s and then fail the event; redirect it: command >file 2>&1 </dev/null &",
			h.Location, as, end.Holders[0].Name, end.Holders[0].PID, int(h.Timeout.Seconds()))
	case end.OK():
		return 0, nil
	case end.How == proc.Exited:
		return scriptFailed, says("Script at specified location: %s%s failed with exit code %d", h.Location, as, end.Code)
	case end.How == proc.Signaled:
		return scriptFailed, says("Script at specified location: %s%s failed with exit code \nwingman: %s", h.Location, as, end.Reason)
	case s.User != "": // su cannot start it
		return scriptFailed, says("Script at specified location: %s%s failed with exit code 1\nwingman: %s", h.Location, as, end.Reason)
	}
	return scriptFailed, says("Script at specified location: %s%s failed: %s", h.Location, as, end.Reason)
}

// says is an error in the CodeDeploy agent's own words.
func says(format string, args ...any) error { return fmt.Errorf(format, args...) }

// patience is how long a rehearsal waits for those who still hold a script's output; the CodeDeploy agent waits for
// the script's whole timeout.
const patience = 5 * time.Second

// released waits until none of the processes lives any more.
func released(ctx context.Context, holders []proc.Process, limit time.Duration) bool {
	late := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		lives := false
		for _, p := range holders {
			lives = lives || alive(p.PID)
		}
		if !lives {
			return true
		}
		select {
		case <-tick.C:
		case <-late:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// lines cuts a stream into lines.
type lines struct {
	each func(line string)
	part []byte
}

// longest is where a line without an end is cut, in bytes.
const longest = 64 << 10

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.part = append(l.part, p...)
			if len(l.part) > longest {
				l.end()
			}
			break
		}
		l.part = append(l.part, p[:i]...)
		l.flush()
		p = p[i+1:]
	}
	return n, nil
}

func (l *lines) end() {
	if len(l.part) > 0 {
		l.flush()
	}
}

func (l *lines) flush() {
	l.each(strings.ToValidUTF8(string(l.part), "\uFFFD"))
	l.part = l.part[:0]
}

var _ io.Writer = (*lines)(nil)

// tail is what the CodeDeploy agent keeps of an event's log entries for the console (hook_executor.rb, ScriptLog): at
// each new entry the newest that fit into 2,048 characters, tags and line ends counted, an older one counted twice in
// error; a newest entry that does not fit alone empties it.
type tail struct {
	kept []string
	lost int
}

func (t *tail) add(entry string) {
	const window = 2048
	t.kept = append(t.kept, entry)
	sum, first := 0, len(t.kept)
	for i := len(t.kept) - 1; i >= 0; i-- {
		n := utf8.RuneCountInString(t.kept[i]) + len("\n")
		newest := i == len(t.kept)-1
		if newest && n >= window || !newest && sum+2*n >= window {
			break
		}
		if !newest {
			sum += n
		}
		first = i
	}
	t.lost += first
	t.kept = append([]string{}, t.kept[first:]...)
}
