// Package watch sees whether the CodeDeploy agent on this host lives and polls: from its processes, its log and its
// tracking files, without asking it and without AWS. It looks when it is told to; it has no timer of its own.
//
// What it knows comes from the CodeDeploy agent's source: 1.x (Ruby) and 2.x (Rust, 2.0.0 and 2.1.0). Of 2.x no running
// one was at hand. A 2.x that polls well logs nothing about it unless verbose is set, so there "it polls" means: its
// processes live and none of its newest lines says that it cannot.
package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// A poll is answered within 45 to 61 s or broken off after 80 s (http_read_timeout), and a failed one is repeated after
// at most 90 s: both agents alike. So a CodeDeploy agent whose log is silent for longer than this does not poll; the
// pause between two polls (wait_between_runs, 1 s as shipped, 30 s by default) comes on top.
const silence = 180 * time.Second

// A tracking file older than this is a left-over to the CodeDeploy agent, and to us.
const stale = 24 * time.Hour

// CodeDeployAgent is the one of this host. The zero value is complete; tests set the fields.
type CodeDeployAgent struct {
	Root    string   // the folder that stands for /; default /
	Proc    string   // default /proc
	Command []string // argv of what restarts it; default: systemctl restart codedeploy-agent, without systemd service codedeploy-agent restart
}

// State is what one look found.
type State struct {
	Installed    bool      // it is there at all; where not, nothing else is set but Problem
	Running      bool      // its master and its poller live
	Polling      bool      // and it asks CodeDeploy for work, as far as its log tells
	Version      string    // from its .version file, as 1.8.0-17 or 2.1.0; "" where there is none
	PID          int       // its master's; 0 where there is none
	LastPoll     time.Time // the last good answer of CodeDeploy that its log shows; zero where it shows none
	InDeployment []string  // the deployments in whose lifecycle event it is, by its tracking files
	Problem      string    // what is wrong, and what to type; "" where nothing is
}

// settings are those of the CodeDeploy agent's own that say where things are.
type settings struct {
	program, home, root, pids, logs string
	tracking                        string
	pause                           time.Duration
}

func (a CodeDeployAgent) path(name string) string {
	if a.Root == "" {
		return name
	}
	return filepath.Join(a.Root, name)
}

// settings reads the CodeDeploy agent's own file. 1.x writes its keys as Ruby's symbols (:root_dir:), 2.x takes both
// forms; what is not there has the default of both agents. A file that cannot be read keeps the CodeDeploy agent from
// starting and is its own matter to say.
func (a CodeDeployAgent) settings() settings {
	s := settings{program: "codedeploy-agent", home: "/opt/codedeploy-agent", root: "/opt/codedeploy-agent/deployment-root",
		pids: "/opt/codedeploy-agent/state/.pid", logs: "/var/log/aws/codedeploy-agent", tracking: "ongoing-deployment", pause: 30 * time.Second}
	data, err := os.ReadFile(a.path("/etc/codedeploy-agent/conf/codedeployagent.yml"))
	var file map[string]any
	if err == nil && yaml.Unmarshal(data, &file) == nil {
		for key, value := range file {
			text := fmt.Sprint(value)
			switch strings.TrimPrefix(key, ":") {
			case "program_name":
				s.program = text
			case "root_dir":
				s.root = text
			case "pid_dir":
				s.pids = text
			case "log_dir":
				s.logs = text
			case "ongoing_deployment_tracking":
				s.tracking = text
			case "wait_between_runs":
				if n, err := strconv.Atoi(text); err == nil && n >= 0 {
					s.pause = time.Duration(n) * time.Second
				}
			}
		}
	}
	for _, p := range []*string{&s.home, &s.root, &s.pids, &s.logs} {
		*p = a.path(*p)
	}
	return s
}

// Look looks once, at files and processes only. That there is no CodeDeploy agent is a state like others.
func (a CodeDeployAgent) Look() State {
	set := a.settings()
	program := filepath.Join(set.home, "bin", "codedeploy-agent")
	if _, err := os.Stat(program); err != nil {
		return State{Problem: "the CodeDeploy agent is not installed: there is no " + program +
			"; how to: https://docs.aws.amazon.com/codedeploy/latest/userguide/codedeploy-agent-operations-install.html"}
	}
	st := State{Installed: true, Version: version(filepath.Join(set.home, ".version"))}
	var err error
	if st.InDeployment, err = set.tracked(time.Now()); err != nil {
		st.Problem = err.Error()
	}
	ps := a.processes(set)
	st.PID, st.Running = ps.master, ps.master != 0 && ps.poller
	said := read(filepath.Join(set.logs, set.program+".log"), set.rotated())
	st.LastPoll = said.good
	switch {
	case ps.master == 0:
		st.Problem = "the CodeDeploy agent does not run" + said.lastWord(time.Time{}) + ": sudo systemctl start codedeploy-agent"
	case !ps.poller:
		st.Problem = fmt.Sprintf("the CodeDeploy agent's master (pid %d) has no process that polls%s: %s", ps.master, said.lastWord(ps.since), restartLine)
	default:
		st.polls(said, ps.since, set)
	}
	return st
}

const restartLine = "sudo systemctl restart codedeploy-agent"

// polls judges what the log says of a CodeDeploy agent that lives since then.
func (s *State) polls(said log, since time.Time, set settings) {
	file := filepath.Join(set.logs, set.program+".log")
	switch {
	case said.bad.After(since):
		// 2.x logs its failures only: one that is older than the next poll's last moment was overcome since.
		if said.ruby || time.Since(said.bad) <= silence+set.pause {
			s.Problem = "the CodeDeploy agent cannot poll: " + said.line + ": " + cure(said.line, file)
			return
		}
		s.Polling = true
	case said.err != nil:
		s.Polling = true // nothing speaks against it, and not to know is no reason to restart
		s.say("cannot tell whether the CodeDeploy agent polls: " + said.err.Error() + ": sudo tail -n 50 " + file)
	case !said.ruby || time.Since(later(said.good, since)) <= silence+set.pause:
		s.Polling = true
	case said.good.IsZero():
		s.Problem = fmt.Sprintf("the CodeDeploy agent runs since %s and has not polled: %s", clock(since), restartLine)
	default:
		s.Problem = fmt.Sprintf("the CodeDeploy agent has not polled since %s: %s", clock(said.good), restartLine)
	}
}

// say keeps what is wrong already: it is worse.
func (s *State) say(problem string) {
	if s.Problem == "" {
		s.Problem = problem
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// clock writes a time as the host's people read it.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// version reads "agent_version: OFFICIAL_1.8.0-17_deb" (1.x) or "agent_version: 2.1.0" (2.x).
func version(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	_, v, _ := strings.Cut(string(data), ":")
	v = strings.TrimPrefix(strings.TrimSpace(v), "OFFICIAL_")
	v, _, _ = strings.Cut(v, "_")
	return v
}

// tracked gives the deployments whose tracking files are not stale: a file is there while a lifecycle event runs.
func (s settings) tracked(now time.Time) ([]string, error) {
	dir := filepath.Join(s.root, s.tracking)
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot see whether the CodeDeploy agent is in a deployment: %w: run this as root", err)
	}
	var out []string
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) <= stale {
			out = append(out, e.Name())
		}
	}
	return out, nil
}
