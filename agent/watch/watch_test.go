package watch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be a CodeDeploy agent: its command line says which of its processes, and it may have a
// child of that kind. It lives until its input ends.
func TestMain(m *testing.M) {
	if child, ok := os.LookupEnv("WATCH_CHILD"); ok {
		if child != "" {
			self, err := os.Executable()
			if err != nil {
				panic(err)
			}
			c := exec.Command(self)
			c.Args = strings.Split(child, "|")
			c.Env = []string{"WATCH_CHILD="}
			c.Stdin = os.Stdin
			if err := c.Start(); err != nil {
				panic(err)
			}
		}
		fmt.Println("up")
		var b [1]byte
		os.Stdin.Read(b[:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// host is a folder that stands for /, with a CodeDeploy agent of that version.
func host(t *testing.T, version string) CodeDeployAgent {
	t.Helper()
	a := CodeDeployAgent{Root: t.TempDir()}
	put(t, a, "/opt/codedeploy-agent/bin/codedeploy-agent", "")
	put(t, a, "/opt/codedeploy-agent/.version", "agent_version: "+version+"\n")
	// Its processes must not be mixed up with those of another test: each has a name of its own.
	put(t, a, "/etc/codedeploy-agent/conf/codedeployagent.yml", "---\n:program_name: "+name(t)+"\n:wait_between_runs: 1\n:root_dir: '/data/deploy'\n")
	return a
}

func name(t *testing.T) string {
	return "cda-" + strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
}

func put(t *testing.T, a CodeDeployAgent, file, text string) string {
	t.Helper()
	file = a.path(file)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// logged writes the log, in its own zone's time, as if its last line had been written ago before now.
func logged(t *testing.T, a CodeDeployAgent, ago time.Duration, text string) {
	t.Helper()
	file := put(t, a, "/var/log/aws/codedeploy-agent/"+name(t)+".log", text)
	at := time.Now().Add(-ago)
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

// starts starts a process under that command line, with a child under that one, and gives its pid.
func starts(t *testing.T, master, child string) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes are read from /proc")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Args = strings.Split(master, "|")
	c.Env = []string{"WATCH_CHILD=" + child}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() })
	if _, err := out.Read(make([]byte, 8)); err != nil { // it is up, and its child was started
		t.Fatal(err)
	}
	return c.Process.Pid
}

// ruby starts the processes of a 1.x as it names them.
func ruby(t *testing.T, child bool) int {
	t.Helper()
	kid := ""
	if child {
		kid = name(t) + ": InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller of master 2551"
	}
	return starts(t, name(t)+": master 2551", kid)
}

const (
	version1 = `2025-11-23T13:57:38 INFO  [codedeploy-agent(626040)]: Version file found in /opt/codedeploy-agent/.version with agent version OFFICIAL_1.8.0-17_deb.` + "\n"
	poll1    = `2025-11-23T13:58:23 INFO  [codedeploy-agent(626040)]: [Aws::CodeDeployCommand::Client 200 45.335323 0 retries] poll_host_command(host_identifier:"arn:aws:iam::697698772502:user/a") ` + "\n"
	later1   = `2025-11-23T13:58:24 INFO  [codedeploy-agent(626040)]: Version file found in /opt/codedeploy-agent/.version with agent version OFFICIAL_1.8.0-17_deb.` + "\n"
	denied1  = `2025-11-23T13:58:39 ERROR [codedeploy-agent(626040)]: InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller: Error polling for host commands: Aws::CodeDeployCommand::Errors::AccessDeniedException - Aws::CodeDeployCommand::Errors::AccessDeniedException - /opt/codedeploy-agent/vendor/gems/aws-sdk-core-3.121.1/lib/seahorse/client/plugins/raise_response_errors.rb:17:in ` + "`call'\n/opt/codedeploy-agent/vendor/gems/aws-sdk-core-3.121.1/lib/aws-sdk-core/plugins/jsonvalue_converter.rb:22:in `call'\n" +
		`2025-11-23T13:58:39 ERROR [codedeploy-agent(626040)]: InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller: Cannot reach InstanceService: Aws::CodeDeployCommand::Errors::AccessDeniedException - Aws::CodeDeployCommand::Errors::AccessDeniedException` + "\n"
	clock1   = `2025-11-23 13:58:40 ERROR [codedeploy-agent(1073)]: InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller: Cannot reach InstanceService: Aws::CodeDeployCommand::Errors::InvalidSignatureException - Signature not yet current: 20220104T000518Z is still later than 20220104T000203Z (20220103T235703Z + 5 min.)` + "\n"
	missing1 = `2025-11-23T13:58:41 ERROR [codedeploy-agent(77037)]: InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller: Missing credentials - please check if this instance was started with an IAM instance profile` + "\n"
	network1 = `2025-11-23T13:58:42 ERROR [codedeploy-agent(2678)]: InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller: Error polling for host commands: Seahorse::Client::NetworkingError - unable to connect to ` + "`codedeploy-commands.ap-northeast-1.amazonaws.com`; SocketError: getaddrinfo: Name or service not known - /usr/share/ruby/net/http.rb:878:in `initialize'\n"
	script1  = `2025-11-23T13:58:50 ERROR [codedeploy-agent(2678)]: InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller: Error during perform: InstanceAgent::Plugins::CodeDeployPlugin::ScriptError - Script at specified location: a.sh failed with exit code 1 - /opt/codedeploy-agent/lib/a.rb:150:in ` + "`execute'\n"
	loop2    = `2026-09-10 08:00:00  INFO Starting host command poll loop host_identifier=arn:aws:ec2:eu-west-1:1:instance/i-1 poll_interval_ms=30000 max_concurrent=16` + "\n"
	nil2     = `2026-09-10 08:01:00 DEBUG PollHostCommand: Host Command = nil` + "\n"
	error2   = `2026-09-10 08:02:00 ERROR Error polling for host commands: CodeDeploy command service error: NetworkError: error sending request for url (https://codedeploy-commands.eu-west-1.amazonaws.com/)` + "\n"
)

func TestNotInstalled(t *testing.T) {
	st := CodeDeployAgent{Root: t.TempDir()}.Look()
	if st.Installed || st.Running || st.Polling || !strings.Contains(st.Problem, "is not installed") || !strings.Contains(st.Problem, "https://docs.aws.amazon.com/") {
		t.Errorf("%+v", st)
	}
}

// Dead is what has no process, whatever its pid file and its log say.
func TestDead(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	put(t, a, "/opt/codedeploy-agent/state/.pid/"+name(t)+".pid", fmt.Sprintln(os.Getpid()))
	logged(t, a, 5*time.Second, version1+poll1+later1)
	st := a.Look()
	if !st.Installed || st.Running || st.Polling || st.PID != 0 || st.Version != "1.8.0-17" || st.LastPoll.IsZero() ||
		st.Problem != "the CodeDeploy agent does not run: sudo systemctl start codedeploy-agent" {
		t.Errorf("%+v", st)
	}
	logged(t, a, 5*time.Second, poll1+missing1)
	if st = a.Look(); !strings.Contains(st.Problem, "(its log: Missing credentials - please check") {
		t.Errorf("%+v", st)
	}
}

func TestPolls(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	pid := ruby(t, true)
	logged(t, a, 20*time.Second, version1+poll1+later1)
	st := a.Look()
	if want := time.Now().Add(-21 * time.Second); !st.Running || !st.Polling || st.PID != pid || st.Problem != "" || st.LastPoll.Sub(want).Abs() > 2*time.Second {
		t.Errorf("%+v", st)
	}
}

func TestMasterWithoutPoller(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	pid := ruby(t, false)
	logged(t, a, 0, poll1)
	if st := a.Look(); st.Running || st.Polling || st.PID != pid || st.Problem != fmt.Sprintf("the CodeDeploy agent's master (pid %d) has no process that polls: %s", pid, restartLine) {
		t.Errorf("%+v", st)
	}
}

// Of two masters the pid file's is the host's.
func TestPIDFileChooses(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	ours := []int{ruby(t, true), ruby(t, true)}
	for _, pid := range ours {
		put(t, a, "/opt/codedeploy-agent/state/.pid/"+name(t)+".pid", fmt.Sprintln(pid))
		if st := a.Look(); st.PID != pid || !st.Running {
			t.Errorf("pid file %d: %+v", pid, st)
		}
	}
}

// What its log says against polling is quoted, with what to type.
func TestCannotPoll(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	ruby(t, true)
	// The lines count only if they are newer than the processes, which are newer than the test.
	for _, c := range []struct{ name, text, quote, cure string }{
		{"denied", poll1 + denied1, "Cannot reach InstanceService: Aws::CodeDeployCommand::Errors::AccessDeniedException", "sudo aws sts get-caller-identity"},
		{"clock", poll1 + clock1, "Signature not yet current: 20220104T000518Z", "sudo chronyc makestep"},
		{"credentials", poll1 + missing1, "Missing credentials - please check", "attach an instance profile; the CodeDeploy agent sees it after: " + restartLine},
		{"network", poll1 + network1, "getaddrinfo: Name or service not known:", "curl -sv https://codedeploy-commands.ap-northeast-1.amazonaws.com"},
		{"something else", poll1 + strings.ReplaceAll(missing1, "Missing credentials", "Cannot reach InstanceService: Aws::CodeDeployCommand::Errors::InternalFailure"), "InternalFailure", "sudo tail -n 50 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(a.Root, "var/log/aws/codedeploy-agent/cda-TestCannotPoll.log")
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			soon := time.Now().Add(time.Second) // born() has hundredths, the boot time seconds
			if err := os.Chtimes(file, soon, soon); err != nil {
				t.Fatal(err)
			}
			st := a.Look()
			if !st.Running || st.Polling || !strings.Contains(st.Problem, c.quote) || !strings.Contains(st.Problem, c.cure) || strings.Contains(st.Problem, "raise_response_errors") {
				t.Errorf("%+v", st)
			}
			if strings.Contains(st.Problem, "\n") {
				t.Errorf("more than a line: %q", st.Problem)
			}
		})
	}
}

// A failed script is no failed poll; a good poll takes back what was said before it.
func TestWhatIsNoProblem(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	ruby(t, true)
	for _, text := range []string{poll1 + script1, missing1 + poll1, denied1 + poll1 + later1} {
		logged(t, a, -time.Second, text)
		if st := a.Look(); !st.Polling || st.Problem != "" {
			t.Errorf("%s%+v", text, st)
		}
	}
}

// What the log said before this CodeDeploy agent began does not count against it.
func TestJustStarted(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	ruby(t, true)
	logged(t, a, 10*time.Minute, poll1+missing1)
	if st := a.Look(); !st.Polling || st.Problem != "" {
		t.Errorf("%+v", st)
	}
}

// Silence is judged with the process's age; a stand-in for /proc makes it old.
func TestSilent(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	a.Proc = t.TempDir()
	began := time.Now().Add(-time.Hour)
	old := func(pid, parent int, cmdline string) {
		dir := filepath.Join(a.Proc, fmt.Sprint(pid))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		stat := fmt.Sprintf("%d (ruby (x) y) S %d %s 0 1", pid, parent, strings.Repeat("1 ", 17)) // starttime is 0 ticks
		for file, text := range map[string]string{"cmdline": cmdline + "\x00\x00\x00", "stat": stat} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	old(100, 1, name(t)+": master 100")
	old(101, 100, name(t)+": InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller of master 100")
	if err := os.WriteFile(filepath.Join(a.Proc, "stat"), fmt.Appendf(nil, "cpu 1\nbtime %d\nprocesses 1\n", began.Unix()), 0o644); err != nil {
		t.Fatal(err)
	}
	logged(t, a, silence-10*time.Second, poll1)
	if st := a.Look(); !st.Polling || st.Problem != "" {
		t.Errorf("a long poll: %+v", st)
	}
	logged(t, a, silence+10*time.Second, poll1)
	if st := a.Look(); st.Polling || !strings.HasPrefix(st.Problem, "the CodeDeploy agent has not polled since 20") {
		t.Errorf("silent: %+v", st)
	}
	logged(t, a, 0, later1)
	if st := a.Look(); st.Polling || !strings.Contains(st.Problem, "and has not polled: "+restartLine) {
		t.Errorf("never polled: %+v", st)
	}
	if err := os.Remove(filepath.Join(a.Root, "var/log/aws/codedeploy-agent", name(t)+".log")); err != nil {
		t.Fatal(err)
	}
	if st := a.Look(); !st.Polling || !strings.Contains(st.Problem, "cannot tell whether the CodeDeploy agent polls: there is no ") {
		t.Errorf("no log: %+v", st)
	}
}

// After midnight the log is new; what was last is in the rotated one. The wire log is none.
func TestRotated(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	ruby(t, true)
	logged(t, a, 0, "")
	old := put(t, a, "/var/log/aws/codedeploy-agent/"+name(t)+".20251122.log", poll1)
	at := time.Now().Add(-30 * time.Second)
	if err := os.Chtimes(old, at, at); err != nil {
		t.Fatal(err)
	}
	put(t, a, "/var/log/aws/codedeploy-agent/"+name(t)+".aws_wire.log", missing1)
	if st := a.Look(); !st.Polling || st.LastPoll.Sub(at).Abs() > time.Second || st.Problem != "" {
		t.Errorf("%+v", st)
	}
}

// 2.x logs that it cannot poll, and with verbose that it does.
func TestRust(t *testing.T) {
	a := host(t, "2.1.0")
	// 2.x has its own name in its command line, whatever program_name says; the pid file tells this test's apart.
	pid := starts(t, "/opt/codedeploy-agent/bin/codedeploy-agent|start", "/opt/codedeploy-agent/bin/codedeploy-agent|worker")
	put(t, a, "/opt/codedeploy-agent/state/.pid/master.pid", fmt.Sprint(pid))
	for _, c := range []struct {
		text    string
		ago     time.Duration
		polling bool
		problem string
	}{
		{loop2, time.Hour, true, ""},
		{loop2 + nil2, 0, true, ""},
		{loop2 + error2, -time.Second, false, "the CodeDeploy agent cannot poll: Error polling for host commands: CodeDeploy command service error: NetworkError: error sending request for url (https://codedeploy-commands.eu-west-1.amazonaws.com/): see whether the host gets there: curl -sv https://codedeploy-commands.eu-west-1.amazonaws.com"},
		{loop2 + error2, time.Hour, true, ""}, // overcome, or said by the one before
		{error2 + strings.ReplaceAll(nil2, "08:01", "08:03"), 0, true, ""},
	} {
		logged(t, a, c.ago, c.text)
		if st := a.Look(); st.PID != pid || st.Version != "2.1.0" || st.Polling != c.polling || st.Problem != c.problem {
			t.Errorf("%s%+v", c.text, st)
		}
	}
}

func TestTrackingFiles(t *testing.T) {
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	put(t, a, "/data/deploy/ongoing-deployment/d-NEW", "WyJj")
	old := put(t, a, "/data/deploy/ongoing-deployment/d-OLD", "WyJj")
	at := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, at, at); err != nil {
		t.Fatal(err)
	}
	if st := a.Look(); fmt.Sprint(st.InDeployment) != "[d-NEW]" {
		t.Errorf("%+v", st)
	}
}

func TestRestart(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("sh")
	}
	a := host(t, "OFFICIAL_1.8.0-17_deb")
	note := filepath.Join(t.TempDir(), "restarted")
	a.Command = []string{"sh", "-c", "echo yes >" + note}
	track := put(t, a, "/data/deploy/ongoing-deployment/d-NEW", "WyJj")
	restarted := func() bool {
		_, err := os.Stat(note)
		os.Remove(note)
		return err == nil
	}
	// Dead in the middle of a deployment: only a start can report the event as failed.
	if err := a.Restart(t.Context()); err != nil || !restarted() {
		t.Errorf("dead: %v", err)
	}
	ruby(t, true)
	err := a.Restart(t.Context())
	if !errors.Is(err, ErrInDeployment) || !strings.Contains(err.Error(), "d-NEW") || restarted() {
		t.Errorf("in a deployment: %v", err)
	}
	if err := os.Remove(track); err != nil {
		t.Fatal(err)
	}
	if err := a.Restart(t.Context()); err != nil || !restarted() {
		t.Errorf("idle: %v", err)
	}
	a.Command = []string{"sh", "-c", "echo Unit codedeploy-agent.service not found. >&2; exit 5"}
	if err := a.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "not found.\n    systemctl status codedeploy-agent") {
		t.Errorf("no unit: %v", err)
	}
	a.Root = t.TempDir()
	if err := a.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "is not installed") {
		t.Errorf("none there: %v", err)
	}
}

func TestRole(t *testing.T) {
	for line, want := range map[string]string{
		"codedeploy-agent: master 2551":                  "master",
		"codedeploy-agent: booting child":                "child",
		"/usr/bin/codedeploy-agent|worker":               "child",
		"/opt/x/codedeploy-agent|--config-file|/a|start": "master",
		"/opt/x/codedeploy-agent|status":                 "",
		"/usr/bin/ruby|/opt/x/codedeploy-agent|start":    "",
		"vi|codedeploy-agent: master":                    "",
		"":                                               "",
	} {
		master, ours := role(strings.Split(line, "|"), "codedeploy-agent")
		got := ""
		if ours {
			got = map[bool]string{true: "master", false: "child"}[master]
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
