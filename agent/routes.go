package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/codedeploy-wingman/wingman/agent/api"
)

// route is one thing that can be asked of the service.
type route struct {
	method, path string
	who          access
	handle       func(*Agent, http.ResponseWriter, *http.Request)
}

// access says whether a caller may; the text is who may, for the one who may not.
type access struct {
	text string
	may  func(a *Agent, p peer, r *http.Request) bool
}

var (
	anyone = access{"anyone", func(*Agent, peer, *http.Request) bool { return true }}
	admin  = access{"root", func(_ *Agent, p peer, _ *http.Request) bool { return p.rules() }}
	reader = access{"root and the members of the group", func(a *Agent, p peer, _ *http.Request) bool { return a.reads(p) }}
	// Whose run it is, beside those who may read or rule all.
	own     = access{"root and the user whose run it is", func(a *Agent, p peer, r *http.Request) bool { return p.rules() || a.owns(p, r) }}
	ownRead = access{"root, the members of the group, and the user whose run it is", func(a *Agent, p peer, r *http.Request) bool { return a.reads(p) || a.owns(p, r) }}
)

// routes is all that can be asked, and by whom. A caller's uid is what the kernel says (SO_PEERCRED), so that the
// socket itself is open to all.
func routes() []route {
	return []route{
		{"GET", api.PathVersion, anyone, (*Agent).version},
		{"GET", api.PathStatus, reader, (*Agent).status},
		{"GET", api.PathMetrics, reader, (*Agent).metrics},
		{"POST", api.PathRuns, anyone, (*Agent).start}, // as the caller's own user
		{"GET", api.PathRuns, reader, (*Agent).history},
		{"GET", api.PathEvents, ownRead, (*Agent).events},
		{"GET", api.PathLog, ownRead, (*Agent).log},
		{"POST", api.PathCancel, own, (*Agent).cancel},
		{"POST", api.PathReload, admin, (*Agent).reload},
	}
}

// peer is who is at the other end of a connection.
type peer struct {
	uid, gid int
	groups   []int
	pid      int // 0: not known, as in another pid namespace
	known    bool
}

// rules says that the caller is root, or the user as whom the service runs.
func (p peer) rules() bool { return p.known && (p.uid == 0 || p.uid == os.Geteuid()) }

func (a *Agent) reads(p peer) bool {
	return p.rules() || p.known && a.group >= 0 && (p.gid == a.group || slices.Contains(p.groups, a.group))
}

func (a *Agent) owns(p peer, r *http.Request) bool {
	h := a.runs.find(r.PathValue("id"))
	return p.known && h != nil && h.meta.UID == p.uid
}

func (a *Agent) handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes() {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(api.VersionHeader, a.Version)
			if !a.enter() {
				refuse(w, http.StatusConflict, api.Inline, "the service is about to end")
				return
			}
			defer a.wg.Done()
			if p := peerOf(r.Context()); !rt.who.may(a, p, r) {
				refuse(w, http.StatusForbidden, api.Denied, "user %d may not: %s may", p.uid, a.named(rt.who.text))
				return
			}
			rt.handle(a, w, r)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.VersionHeader, a.Version)
		refuse(w, http.StatusNotFound, api.NotFound, "%s %s is nothing that this service knows", r.Method, r.URL.Path)
	})
	return mux
}

func (a *Agent) named(text string) string {
	return strings.ReplaceAll(text, "the group", "the group "+a.Group)
}

func refuse(w http.ResponseWriter, status int, kind, format string, args ...any) {
	answer(w, status, api.Error{Kind: kind, Message: fmt.Sprintf(format, args...)})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody is left to tell
}
