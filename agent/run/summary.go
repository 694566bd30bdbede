package run

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// The window of CodeDeploy's console: the CodeDeploy agent keeps the last lines of an event's output that make up
// 2,048 characters together with the tags it puts before each ("[stdout]") and, on a last line that is too long,
// nothing at all (hook_executor.rb, ScriptLog). The summary keeps well below.
const (
	summaryChars = 1800
	summaryLine  = 200
	agentTag     = len("[stdout]")
)

// Summary is the last thing that a failed run prints: which step, why, its last lines, where the log is, what to do
// next, and the verdict last. With the CodeDeploy agent's tags it has at most 1,800 characters, no line over 200.
func Summary(r Result, notes []string) string {
	for wrap := true; ; {
		head, foot := frame(r, notes, wrap)
		room := summaryChars
		for _, l := range append(append([]string{}, head...), foot...) {
			room -= cost(fit(l))
		}
		switch { // what is too much goes, the least needed first: what notes say stands in the output and the log as well
		case room < 0 && wrap:
			wrap = false
		case room < 0 && len(notes) > 0:
			notes = notes[:len(notes)-1]
		default:
			var b strings.Builder
			for _, l := range append(append(head, output(r.Output, room)...), foot...) {
				b.WriteString(fit(l) + "\n")
			}
			return b.String()
		}
	}
}

// frame is what stands before a step's last lines, and what stands behind them.
func frame(r Result, notes []string, wrap bool) (head, foot []string) {
	head = []string{"---- wingman: " + string(r.Event) + " of " + orElse(r.Deployment.ID, "no deployment") + where(r) + " ----"}
	head = append(head, step(r, wrap)...)
	for _, n := range notes {
		foot = append(foot, "note:    "+n)
	}
	if r.Log != "" {
		log := "log:     " + r.Log
		if !r.Away {
			log += "  (wingman logs " + r.ID + ")"
		}
		foot = append(foot, log)
	}
	for i, line := range next(r) {
		foot = append(foot, []string{"next:    ", "         "}[min(i, 1)]+line)
	}
	return head, append(foot, "verdict: "+string(r.Event)+" "+strings.ToUpper(said(r.Verdict))+": "+r.Reason)
}

func where(r Result) string {
	if r.Application == "" {
		return ""
	}
	return " (" + r.Application + " / " + r.Group + ")"
}

// step says which step failed and why; the steps before it in one line.
func step(r Result, wrap bool) []string {
	if r.Failed == nil {
		return nil
	}
	n, done := 0, 0
	for _, s := range r.Steps {
		if s.Phase != "" {
			continue
		}
		n++
		if s.Verdict == journal.Succeeded {
			done++
		}
	}
	head := fmt.Sprintf("step:    %q (%s), after %s; %d of %d steps run so far succeeded", r.Failed.Name, r.Failed.Kind, short(r.Failed.Duration), done, n)
	reason := "reason:  " + r.Failed.Reason
	if !wrap {
		return []string{head, reason}
	}
	return append([]string{head}, wrapped(reason)...)
}

// wrapped gives a line too long for the console as up to three, cut between words, the last as fit cuts it: what to
// type must not fall out of a reason's middle.
func wrapped(line string) []string {
	const indent = "         "
	lines := []string{}
	for room := summaryLine - agentTag; len(lines) < 2 && utf8.RuneCountInString(line) > room; {
		chars := []rune(line)[:room]
		cut := strings.LastIndexByte(string(chars), ' ')
		if cut <= len(indent) {
			break
		}
		lines, line = append(lines, line[:cut]), indent+line[cut+1:]
	}
	return append(lines, line)
}

// output gives as many of the last lines as there is room for.
func output(lines []string, room int) []string {
	const title = "its last lines:"
	room -= cost(title)
	first := len(lines)
	for first > 0 {
		c := cost(fit("  | " + lines[first-1]))
		if c > room {
			break
		}
		room -= c
		first--
	}
	if first == len(lines) {
		return nil
	}
	out := []string{title}
	for _, l := range lines[first:] {
		out = append(out, "  | "+l)
	}
	return out
}

// next says what to type or to change, and, where no new bundle changes it, that.
func next(r Result) []string {
	var advice, command string
	switch {
	case r.Verdict == journal.Cancelled && r.Told: // the reason says who ended it and why
		advice = "nothing of the revision's made it fail; see the log for how far it came"
	case r.Verdict == journal.Cancelled:
		advice = "CodeDeploy or someone ended it; if it was CodeDeploy's timeout, raise `timeout` of wingman's entry in appspec.yml"
	case r.Verdict == journal.TimedOut:
		advice = "see in the log what it waited for; if it needs longer, raise the `timeout` of wingman's entry in appspec.yml"
		if r.Failed != nil && strings.HasPrefix(r.Failed.Reason, ownTimeout) {
			advice = "see in the log what it waited for; if it needs longer, raise the step's `timeout` in wingman.yml"
		}
	case r.Verdict == journal.Interrupted:
		advice = "find out who killed it (out of memory? journalctl -k), and deploy again; what it had started has been ended, on_failure comes next"
	case r.Failed == nil:
		advice, command = "see what would run:", "wingman plan "+string(r.Event)+" --revision "+r.Revision
	case r.Failed.ExitCode != nil || r.Failed.Signal != "":
		advice = fmt.Sprintf("see the log; mend %q in the revision and deploy again", r.Failed.Name)
		if r.Log == "" {
			advice = strings.TrimPrefix(advice, "see the log; ")
		}
	case r.Failed.Kind == "script" || r.Failed.Kind == "command":
		advice = "mend that, in the revision or on this host, and deploy again"
	case r.Event != lifecycle.ValidateService:
		advice, command = "run the event again, on the instance:", "wingman hook "+string(r.Event)+" --again --revision "+r.Revision
	default:
		advice, command = "run the checks again, on the instance:", "wingman validate --revision "+r.Revision
	}
	if command != "" && r.Deployment.ID != "" {
		command = "DEPLOYMENT_ID=" + r.Deployment.ID + " " + command
	}
	out := []string{advice}
	if command != "" {
		out = append(out, command) // on a line of its own, so that it is not cut
	}
	if lifecycle.RevisionOf(r.Event, false) == lifecycle.Current {
		return out
	}
	out = append(out, "this came from the LAST SUCCESSFUL revision: a new bundle does not change it before the next deployment")
	if r.Event == lifecycle.ApplicationStop {
		out = append(out, "to get past it once: aws deploy create-deployment … --ignore-application-stop-failures")
	}
	return out
}

// cost is what a line takes of the CodeDeploy agent's window.
func cost(line string) int { return utf8.RuneCountInString(line) + agentTag + 1 }

// fit makes one line of at most 200 characters, tag included, of which the middle is left out: paths end and
// sentences begin with what matters.
func fit(line string) string {
	line = Printable(strings.ToValidUTF8(strings.ReplaceAll(line, "\n", " "), "\uFFFD"))
	chars := []rune(line)
	if room := summaryLine - agentTag; len(chars) > room {
		end := room / 3
		return string(chars[:room-end-1]) + "…" + string(chars[len(chars)-end:])
	}
	return line
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// short gives a duration with at most three digits that matter.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
