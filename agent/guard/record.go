package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KeyPrefix is what the keys of the tags begin with that hold guards.
const KeyPrefix = "wingman:guard:"

// Keys gives the eight keys.
func Keys() []string {
	keys := make([]string, slots)
	for i := range keys {
		keys[i] = KeyPrefix + strconv.Itoa(i)
	}
	return keys
}

// Manual is the deployment of a guard that was begun by hand for a time.
const Manual = "manual"

// version is of the record's form. A newer one is never rewritten, and released by the part that all versions share.
const version = 1

// Claim says that a suspension of the process whose stamp lies in the window is this guard's.
type Claim struct {
	Process  Process
	From, To time.Time // whole seconds
}

// Record is one guard as its tag says it. All versions of the form begin alike, up to Owned:
//
//	1 6d3f09ab d-ABCDEFGHI 1795622400 k3x9 Tt4c2k0.p/Zt4c2k0.p TZ A
//	│ │        │           │          │    │                   │  └ barred (- is none)
//	│ │        │           │          │    │                   └ protect
//	│ │        │           │          │    └ owned: process, from (base 36), length of the window in seconds (base 36)
//	│ │        │           │          └ nonce: another at each write
//	│ │        │           └ until, in seconds since 1970
//	│ │        └ deployment
//	│ └ hash of the group's ARN: a group that CodeDeploy copied carries the original's tags
//	└ version
type Record struct {
	Version    int
	ARN        string
	Deployment string
	Until      time.Time
	Nonce      string
	Owned      []Claim
	Protect    []Process
	Barred     []Process // given back by somebody else or by hand: not wanted again in this deployment
}

// letters are the processes as a record writes them.
func letters() map[Process]byte {
	return map[Process]byte{Launch: 'L', Terminate: 'T', AddToLoadBalancer: 'B', AlarmNotification: 'A', AZRebalance: 'Z',
		HealthCheck: 'H', InstanceRefresh: 'I', ReplaceUnhealthy: 'U', ScheduledActions: 'S'}
}

func process(letter byte) (Process, bool) {
	for p, l := range letters() {
		if l == letter {
			return p, true
		}
	}
	return "", false
}

// String is the tag's value: at most 256 characters of those that tags take.
func (r Record) String() string {
	owned := make([]string, len(r.Owned))
	for i, c := range r.Owned {
		owned[i] = string(letters()[c.Process]) + strconv.FormatInt(c.From.Unix(), 36) + "." + strconv.FormatInt(c.To.Unix()-c.From.Unix(), 36)
	}
	return fmt.Sprintf("%d %s %s %d %s %s %s %s", r.Version, r.ARN, r.Deployment, r.Until.Unix(), r.Nonce, dash(strings.Join(owned, "/")), word(r.Protect), word(r.Barred))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func word(set []Process) string {
	var b []byte
	for _, p := range set {
		b = append(b, letters()[p])
	}
	slices.Sort(b)
	return dash(string(b))
}

// Parse reads a tag's value.
func Parse(value string) (Record, error) {
	f := strings.Fields(value)
	if len(f) < 6 {
		return Record{}, fmt.Errorf("%q is no record of a guard", clip(value))
	}
	r := Record{ARN: f[1], Deployment: f[2], Nonce: f[4]}
	var err error
	if r.Version, err = strconv.Atoi(f[0]); err != nil || r.Version < 1 {
		return Record{}, fmt.Errorf("%q is no record of a guard: its version", clip(value))
	}
	until, err := strconv.ParseInt(f[3], 10, 64)
	if err != nil {
		return Record{}, fmt.Errorf("%q is no record of a guard: its until", clip(value))
	}
	r.Until = time.Unix(until, 0).UTC()
	if r.Owned, err = claims(f[5]); err != nil {
		return Record{}, fmt.Errorf("%q is no record of a guard: %w", clip(value), err)
	}
	if r.Version > version { // what follows is its own matter: all that it claims is held to be protected
		r.Protect = claimed(r)
		return r, nil
	}
	if len(f) != 8 {
		return Record{}, fmt.Errorf("%q is no record of a guard: it has %d parts", clip(value), len(f))
	}
	r.Protect, r.Barred = set(f[6]), set(f[7])
	return r, nil
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func claims(text string) ([]Claim, error) {
	if text == "-" {
		return nil, nil
	}
	var out []Claim
	for _, one := range strings.Split(text, "/") {
		from, length, ok := strings.Cut(one, ".")
		if !ok || from == "" {
			return nil, fmt.Errorf("the claim %q", one)
		}
		p, known := process(from[0])
		start, err := strconv.ParseInt(from[1:], 36, 64)
		n, err2 := strconv.ParseInt(length, 36, 64)
		if err != nil || err2 != nil || n < 0 {
			return nil, fmt.Errorf("the claim %q", one)
		}
		if known { // of a process that AWS has since added: a newer wingman's matter
			out = append(out, Claim{p, time.Unix(start, 0).UTC(), time.Unix(start+n, 0).UTC()})
		}
	}
	return out, nil
}

func set(text string) (out []Process) {
	for _, p := range Processes() {
		if strings.IndexByte(text, letters()[p]) >= 0 {
			out = append(out, p)
		}
	}
	return out
}

// claim gives the record's claim to p.
func (r Record) claim(p Process) (Claim, bool) {
	for _, c := range r.Owned {
		if c.Process == p {
			return c, true
		}
	}
	return Claim{}, false
}

// until is when the guard ends at the latest. One beyond the longest is a wrong clock's.
func (r Record) until(now time.Time) time.Time {
	if last := now.Add(longest); r.Until.After(last) {
		return last
	}
	return r.Until
}

// settled is when every suspension that the claims may mean has landed and is seen by all.
func (r Record) settled() time.Time {
	var last time.Time
	for _, c := range r.Owned {
		if c.To.After(last) {
			last = c.To
		}
	}
	return last.Add(Staleness)
}

// hash is the first digits of a SHA-256, for names that must be short.
func hash(text string, digits int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:digits]
}

func arnHash(arn string) string { return hash(arn, 8) }

// plainID says that a tag's value can hold the id as it is. No regular expression: compiling one would cost each start.
func plainID(id string) bool {
	for _, c := range id {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._:=+@-", c) {
			return false
		}
	}
	return id != "" && len(id) <= 40
}

// owner gives a deployment's id as a record can hold it: an id that is none of CodeDeploy's form is opaque all the same.
func owner(deployment string) string {
	if plainID(deployment) {
		return deployment
	}
	return "x-" + hash(deployment, 24)
}

// home is the slot that a deployment group's guards take if it is free.
func home(deploymentGroup string) int {
	sum := sha256.Sum256([]byte(deploymentGroup))
	return int(sum[0]) % slots
}

func has(set []Process, p Process) bool { return slices.Contains(set, p) }

// minus gives what is in a and not in b.
func minus(a, b []Process) (out []Process) {
	for _, p := range a {
		if !has(b, p) {
			out = append(out, p)
		}
	}
	return out
}

// union gives all of a, then what b adds.
func union(a, b []Process) []Process {
	out := slices.Clone(a)
	for _, p := range b {
		if !has(out, p) {
			out = append(out, p)
		}
	}
	return out
}
