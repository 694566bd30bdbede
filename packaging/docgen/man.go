package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A help text is paragraphs; one whose lines are set in is a table. After a line EXIT STATUS come lines "CODE  meaning".
// cobra's own generator takes such a text for Markdown, and runs tables and exit codes together.

func name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func manPage(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"codedeploy-wingman\" \"Wingman\"\n.nh\n.ad l\n", strings.ToUpper(name(c)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", name(c), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	about, status, _ := strings.Cut(c.Long, "\nEXIT STATUS\n")
	if !c.HasParent() {
		about, status, _ = strings.Cut(c.Long, "Exit codes: ")
	}
	b.WriteString(".SH DESCRIPTION\n")
	for _, p := range strings.Split(strings.TrimSpace(about), "\n\n") {
		if c.HasParent() || !table(p) { // the whole program's table is the commands, which follow
			paragraph(&b, p)
		}
	}
	commands(&b, c)
	options(&b, "OPTIONS", c.NonInheritedFlags())
	options(&b, "OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	exitStatus(&b, status)
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(strings.TrimRight(c.Example, "\n")))
	}
	if !c.HasParent() {
		b.WriteString(files)
	}
	seeAlso(&b, c)
	return b.String()
}

func table(p string) bool {
	return strings.HasPrefix(p, " ") || regexp.MustCompile(`\n +\S`).MatchString(p)
}

func paragraph(b *strings.Builder, p string) {
	if table(p) {
		fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff(p))
		return
	}
	fmt.Fprintf(b, ".PP\n%s\n", roff(strings.ReplaceAll(p, "\n", " ")))
}

func commands(b *strings.Builder, c *cobra.Command) {
	head := ".SH COMMANDS\n"
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			fmt.Fprintf(b, "%s.TP\n.B %s\n%s\n", head, roff(sub.Use), roff(sub.Short))
			head = ""
		}
	}
}

func options(b *strings.Builder, title string, flags *pflag.FlagSet) {
	head := ".SH " + title + "\n"
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, about := pflag.UnquoteUsage(f)
		option := "--" + f.Name
		if f.Shorthand != "" {
			option = "-" + f.Shorthand + ", " + option
		}
		if kind != "" {
			option += " " + kind
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" {
			about += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(b, "%s.TP\n.B %s\n%s\n", head, roff(option), roff(about))
		head = ""
	})
}

// exitStatus sets lines "CODE  meaning", or one sentence of "CODE meaning, CODE meaning".
func exitStatus(b *strings.Builder, status string) {
	status = strings.Trim(status, "\n")
	if status == "" {
		return
	}
	b.WriteString(".SH EXIT STATUS\n")
	line := regexp.MustCompile(`^ *(\d+) +(.*)$`)
	if !strings.HasPrefix(status, " ") {
		status = strings.ReplaceAll(strings.TrimSuffix(status, "."), ", ", "\n")
	}
	for _, l := range strings.Split(status, "\n") {
		if m := line.FindStringSubmatch(l); m != nil {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", m[1], roff(m[2]))
		} else {
			fmt.Fprintf(b, "%s\n", roff(strings.TrimSpace(l)))
		}
	}
}

const files = `.SH FILES
.TP
.I /etc/wingman/host.yml
The settings of this host; wingman schema host shows every key.
.TP
.I /etc/wingman/environment
The environment of the service.
.TP
.I /etc/wingman/disabled
While it exists hooks/wingman.sh runs nothing, and says so.
.TP
.I /run/wingman/wingman.sock
Where the service listens.
.TP
.I /var/lib/wingman, /var/log/wingman
Records, and full logs of runs.
.TP
.I /usr/share/codedeploy-wingman
The hook scripts, to be copied into a revision.
.TP
.I /usr/share/doc/codedeploy-wingman
The documentation.
`

func seeAlso(b *strings.Builder, c *cobra.Command) {
	var all []string
	if c.HasParent() {
		all = append(all, name(c.Parent()))
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			all = append(all, name(sub))
		}
	}
	for i, n := range all {
		all[i] = ".BR " + roff(n) + " (1)"
	}
	if len(all) > 0 {
		fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", strings.Join(all, ",\n"))
	}
}

// roff makes plain text of what troff would take for its own: backslashes, hyphens that must stay hyphens, and dots and
// quotes at the beginning of a line.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "·", `\(bu`).Replace(s)
	return regexp.MustCompile(`(?m)^([.'])`).ReplaceAllString(s, `\&$1`)
}
