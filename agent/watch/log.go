package watch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// tail is how much of the log's end is read: a poll's line has 250 bytes and comes every minute, but a failure brings a
// backtrace of 4 to 8 KiB along, and a deployment in verbose mode some hundred lines.
const tail = 128 << 10

// log is what the end of the CodeDeploy agent's log says.
type log struct {
	good time.Time // of the newest poll that was answered
	bad  time.Time // of the newest line that says why it cannot poll; zero where a good poll came after it
	line string    // that line, without its beginning
	ruby bool      // the lines are 1.x's, which logs each poll
	err  error     // why there is nothing to read
}

// stamped is how both agents begin a line: 1.x before 1.4 and 2.x with a space, later 1.x with a T. 1.x writes local
// time, 2.x UTC, and neither says so. Behind it 1.x has "INFO  [codedeploy-agent(123)]: ", 2.x " INFO ".
var stamped = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)? +([A-Z]+) +(\[[^\]]*\]: )?(.*)`)

// These begin, or are in, the lines that say why it cannot poll; "Error during perform" is not among them, since a failed
// script says that as well, and a failed poll says one of these before.
var cannot = []string{"Error polling for host commands", "Cannot reach InstanceService", "Missing credentials", "CommandPoller: Network error",
	"failed to run as the connection failed", "error during start or run", "ran into throttling", "Error validating the SSL configuration",
	"Error during certificate verification", // 1.x; what follows is 2.x's
	"Worker failed to ", "Failed to resolve AWS region", "SSL validation failed", "Failed to spawn worker"}

// read reads the end of the log, and of the one rotated last where the log itself says nothing yet.
func read(file, rotated string) log {
	l := readOne(file)
	if !l.good.IsZero() || rotated == "" {
		return l
	}
	old := readOne(rotated)
	switch {
	case l.err != nil || l.bad.IsZero() && old.err == nil:
		old.ruby = old.ruby || l.ruby
		return old
	case old.err == nil:
		l.good = old.good
	}
	return l
}

// readOne reads one file. Its stamps have no zone; but the file was last written when its last line was, so how much
// older a line is than the last one says when it was, whatever the zone.
func readOne(file string) log {
	text, written, err := end(file)
	if err != nil {
		return log{err: err}
	}
	var out log
	var good, bad, last time.Time
	for line := range strings.Lines(text) {
		m := stamped.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue // a backtrace
		}
		at, err := time.Parse("2006-01-02 15:04:05", m[1]+" "+m[2])
		if err != nil {
			continue
		}
		last, out.ruby = at, m[4] != ""
		switch level, message := m[3], m[5]; {
		case answered(message):
			good, bad, out.line = at, time.Time{}, ""
		case level == "ERROR" && blocks(message):
			bad, out.line = at, short(message)
		}
	}
	if last.IsZero() {
		return log{err: fmt.Errorf("%s has no line", file)}
	}
	if !good.IsZero() {
		out.good = written.Add(good.Sub(last))
	}
	if !bad.IsZero() {
		out.bad = written.Add(bad.Sub(last))
	}
	return out
}

// answered says whether a line is that of a poll which CodeDeploy answered: the SDK's of 1.x, or either agent's own in
// verbose mode.
func answered(message string) bool {
	return strings.HasPrefix(message, "[Aws::CodeDeployCommand::Client 200 ") && strings.Contains(message, " poll_host_command(") ||
		strings.Contains(message, "PollHostCommand: Host ")
}

func blocks(message string) bool {
	for _, c := range cannot {
		if strings.Contains(message, c) {
			return true
		}
	}
	return false
}

// end gives the file's last lines and when it was last written.
func end(file string) (text string, written time.Time, err error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return "", time.Time{}, fmt.Errorf("there is no %s", file)
	}
	if err != nil {
		return "", time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", time.Time{}, err
	}
	from := max(0, info.Size()-tail)
	data, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	return string(data), info.ModTime(), err
}

// rotated gives the newest of the files that the log was before: codedeploy-agent.20251123.log. The wire log is another.
func (s settings) rotated() string {
	files, _ := filepath.Glob(filepath.Join(s.logs, s.program+".*.log"))
	best, newest := "", time.Time{}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && !strings.HasSuffix(f, ".aws_wire.log") && info.ModTime().After(newest) {
			best, newest = f, info.ModTime()
		}
	}
	return best
}

// lastWord is what the log says last against polling, in parentheses, where that is newer than since and the last poll.
func (l log) lastWord(since time.Time) string {
	if l.bad.After(since) {
		return " (its log: " + l.line + ")"
	}
	return ""
}

// short takes the backtrace and the names of Ruby's classes off, and bounds the rest: what matters stands at the beginning.
func short(message string) string {
	message, _, _ = strings.Cut(message, " - /")
	message = strings.TrimPrefix(message, "InstanceAgent::Plugins::CodeDeployPlugin::CommandPoller: ")
	message = strings.TrimRight(message, " -")
	if r := []rune(message); len(r) > 240 {
		message = string(r[:239]) + "…"
	}
	return message
}

var endpoint = regexp.MustCompile(`codedeploy-commands[a-z0-9.-]*\.amazonaws\.com(\.cn)?`)

// cure says what to type about a line.
func cure(line, file string) string {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(line, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("Signature expired", "Signature not yet current", "InvalidSignature"):
		return "set the host's clock: sudo chronyc makestep"
	case has("Missing credentials", "resolve credentials", "IMDS"):
		return "attach an instance profile; the CodeDeploy agent sees it after: " + restartLine
	case has("AccessDenied", "UnrecognizedClient", "ExpiredToken", "InvalidClientTokenId", "security token"):
		return "see whose credentials it has, a file of root's goes before the instance's role: sudo aws sts get-caller-identity; then: " + restartLine
	case has("getaddrinfo", "unable to connect", "NetworkError", "NetworkingError", "SocketError", "Network error", "connection failed", "dns", "timed out", "execution expired"):
		host := "codedeploy-commands.REGION.amazonaws.com"
		if h := endpoint.FindString(line); h != "" {
			host = h
		}
		return "see whether the host gets there: curl -sv https://" + host
	}
	return "sudo tail -n 50 " + file
}
