// Package cli is the command line: it reads flags, calls the engine and prints; it decides nothing else.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/codedeploy-wingman/wingman/agent/engine"
)

// Streams are what a command reads, writes and knows of its surroundings.
type Streams struct {
	Out, Err io.Writer
	Env      []string
	Getenv   func(string) string
	Getwd    func() (string, error)
	Terminal bool // Out is one: colour and progress are welcome
	Width    int  // the terminal's, in characters
}

// app is one call of the program.
type app struct {
	Streams
	output string // text or json
}

const about = `wingman stands beside the AWS CodeDeploy agent and runs what a lifecycle event does on this instance.

before       lint [DIR]                         check a revision: appspec.yml, wingman.yml, its scripts
             rehearse [DIR]                     take a revision through a whole deployment here, on simulated AWS
on the host  hook [EVENT] [--revision DIR]      run an event's steps (what hooks/wingman.sh calls)
             plan EVENT [--revision DIR]        what would run here, after policy and defaults; changes nothing
             validate [-f FILE] [--watch]       run ValidateService's checks now
             guard status|suspend|resume|reap   Auto Scaling held still, and given back
             status · history · logs [-f] RUN   what runs and is held now, what ran here, and what it printed
             service run|install|uninstall|start|stop|restart|reload|status
at night     diagnose ID                        what happened to a deployment: who serves, why it failed, what to type
more         version · completion · schema revision|host

wingman COMMAND --help says more. Exit codes: 0 done, 1 the work failed, 2 usage or configuration, 3 refused for safety, 4 AWS or the service could not be reached, 124 out of time, 130 interrupted.`

// Main runs the program and gives its exit code.
func Main(args []string, s Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	a := &app{Streams: s}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	return a.code(ctx, root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "wingman", Short: "Beside the AWS CodeDeploy agent: runs a lifecycle event's steps, and proves that they worked",
		Long: about, SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { _, err := io.WriteString(a.Out, about+"\n"); return err },
	}
	root.PersistentFlags().StringVar(&a.output, "output", "text", "text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.output != "text" && a.output != "json" {
			return usage("--output is text or json, not %q", a.output)
		}
		return nil
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage("%w\n    %s --help", err, c.CommandPath()) })
	root.AddCommand(a.hook(), a.plan(), a.validate(), a.status(), a.history(), a.logs(), a.schema(), a.lint(), a.rehearse(), a.guard(), a.diagnose(), a.service(), a.version(), drain(), runner())
	return root
}

// Command is the whole command line, for what documents it.
func Command() *cobra.Command { return (&app{Streams: Std()}).root() }

// engine makes the engine for this host's paths.
func (a *app) engine() *engine.Engine {
	e := &engine.Engine{Paths: engine.PathsFrom(a.Getenv)}
	if self, err := os.Executable(); err == nil {
		e.Drain = []string{self, drainCommand}
	}
	return e
}

// linked is the version that the linker was given: -X …/agent/cli.linked=0.1.0. Nothing else sets it.
var linked string

// thisBuild says which wingman this is.
func thisBuild() (v struct {
	Version  int    `json:"version"`
	Wingman  string `json:"wingman"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
}) {
	v.Version, v.Wingman = 1, "devel"
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Go = info.GoVersion
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v.Wingman = info.Main.Version
		}
		if linked != "" {
			v.Wingman = linked
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = s.Value
			}
		}
	}
	return v
}

func wingmanVersion() string { return thisBuild().Wingman }

func (a *app) version() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Say which wingman this is", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		v := thisBuild()
		if a.output == "json" {
			return a.json(v)
		}
		return a.printf("wingman %s %s\n", v.Wingman, v.Go)
	}}
}

// Std is the real surroundings.
func Std() Streams {
	width, isTerminal := terminal(os.Stdout)
	return Streams{Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Getenv: os.Getenv, Getwd: os.Getwd, Terminal: isTerminal, Width: width}
}

var errSilent = errors.New("already said")
