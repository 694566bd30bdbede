// Package journald is where the service's log goes: to the journal in its own protocol, with levels and fields that
// journalctl can ask for (journalctl -u wingman WINGMAN_DEPLOYMENT=d-…), where standard error is the journal's; else as
// plain lines to standard error. The protocol is systemd's "Native Journal Protocol": one datagram an entry.
package journald

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The keys of attributes that mean one thing in every entry. Any key becomes the field WINGMAN_ and the key in capitals.
const (
	Deployment = "deployment" // its id
	Event      = "event"      // the lifecycle event
	Run        = "run"        // the run's id
	Group      = "group"      // the Auto Scaling group
	Step       = "step"       // the step's name
	Err        = "error"
)

// socket is where journald listens (systemd-journald.service(8)).
const socket = "/run/systemd/journal/socket"

// Options say where a log goes. The zero value is the service's.
type Options struct {
	Out    *os.File            // default os.Stderr
	Getenv func(string) string // default os.Getenv
	Socket string              // default /run/systemd/journal/socket
	Level  slog.Leveler        // the least that is logged; default slog.LevelInfo
}

// New makes the handler. It cannot fail: where the journal's socket cannot be reached, lines go to Out.
func New(o Options) slog.Handler {
	if o.Out == nil {
		o.Out = os.Stderr
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Socket == "" {
		o.Socket = socket
	}
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	s := &sink{out: o.Out, socket: o.Socket}
	info, err := o.Out.Stat()
	switch {
	case err != nil:
	case o.Getenv("JOURNAL_STREAM") != "" && o.Getenv("JOURNAL_STREAM") == stream(info):
		s.journal = true
	case info.Mode().IsRegular() || info.Mode()&os.ModeCharDevice != 0:
		s.stamped = true // who reads a pipe stamps the lines
	}
	return &handler{sink: s, level: o.Level}
}

// pair is one attribute, its key with those of its groups before it: group.key.
type pair struct{ key, value string }

type handler struct {
	sink   *sink
	level  slog.Leveler
	prefix string // of the open groups
	pairs  []pair
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *h
	out.pairs = append([]pair{}, h.pairs...)
	for _, a := range attrs {
		out.pairs = flat(out.pairs, h.prefix, a)
	}
	return &out
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	out := *h
	out.prefix += name + "."
	return &out
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	pairs := append([]pair{}, h.pairs...)
	r.Attrs(func(a slog.Attr) bool {
		pairs = flat(pairs, h.prefix, a)
		return true
	})
	return h.sink.write(r.Time, r.Level, r.Message, pairs)
}

// flat adds an attribute, and those of a group each by itself.
func flat(out []pair, prefix string, a slog.Attr) []pair {
	a.Value = a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
		return out
	case a.Value.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, in := range a.Value.Group() {
			out = flat(out, prefix, in)
		}
		return out
	case a.Value.Kind() == slog.KindTime:
		return append(out, pair{prefix + a.Key, a.Value.Time().Format(time.RFC3339Nano)})
	}
	return append(out, pair{prefix + a.Key, a.Value.String()})
}

// sink is the one place that a log is written to, whatever handlers were made from it.
type sink struct {
	out     io.Writer
	socket  string
	journal bool // out is the journal's
	stamped bool // a line needs its time

	mu   sync.Mutex
	conn net.Conn
}

func (s *sink) write(at time.Time, level slog.Level, message string, pairs []pair) error {
	text := message
	for _, p := range pairs {
		text += " " + p.key + "=" + quoted(p.value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal && s.send(entry(level, text, pairs)) == nil {
		return nil
	}
	_, err := io.WriteString(s.out, s.line(at, level, text))
	return err
}

// line is an entry as a line of text. To the journal's stream the level goes as sd-daemon(3) has it.
func (s *sink) line(at time.Time, level slog.Level, text string) string {
	text = strings.ReplaceAll(text, "\n", `\n`) + "\n"
	switch {
	case s.journal:
		return fmt.Sprintf("<%d>%s", priority(level), text)
	case s.stamped && !at.IsZero():
		return at.Format("2006-01-02T15:04:05.000Z07:00") + " " + level.String() + " " + text
	}
	return level.String() + " " + text
}

// send gives journald one datagram. The socket is systemd's and stays over a restart of journald; where a connection is
// lost all the same it is made again once.
func (s *sink) send(datagram []byte) error {
	for range 2 {
		if s.conn == nil {
			conn, err := net.Dial("unixgram", s.socket)
			if err != nil {
				return err
			}
			s.conn = conn
		}
		if _, err := s.conn.Write(datagram); err == nil {
			return nil
		}
		s.conn.Close() // gone, or too much for a datagram (some 200 KiB): the line goes to out, which has no such bound
		s.conn = nil
	}
	return fmt.Errorf("cannot write to %s", s.socket)
}

// priority is syslog's number for a level.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// entry is what journald takes: a field a line, NAME=value; a value with a line break has its length before it.
func entry(level slog.Level, text string, pairs []pair) []byte {
	b := field(nil, "MESSAGE", text)
	b = field(b, "PRIORITY", strconv.Itoa(priority(level)))
	b = field(b, "SYSLOG_IDENTIFIER", "wingman")
	for _, p := range pairs {
		b = field(b, name(p.key), p.value)
	}
	return b
}

func field(b []byte, name, value string) []byte {
	b = append(b, name...)
	if strings.Contains(value, "\n") {
		b = append(b, '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	} else {
		b = append(b, '=')
	}
	return append(append(b, value...), '\n')
}

// name makes a field's name: capitals, digits and _, at most 64 of them, else journald drops the field.
func name(key string) string {
	n := []byte("WINGMAN_" + strings.ToUpper(key))
	for i, c := range n {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			n[i] = '_'
		}
	}
	return string(n[:min(len(n), 64)])
}

// quoted leaves a plain word as it is.
func quoted(value string) string {
	if value == "" || strings.ContainsAny(value, " \"=\n\t\r") {
		return strconv.Quote(value)
	}
	return value
}
