package awssim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// roleName is the role of every instance's profile.
const roleName = "wingman-instance"

// metadata is the metadata service of one instance: IMDSv2 only.
type metadata struct {
	*Sim
	id     string
	tokens map[string]time.Time // until when they are good; under mu
}

// IMDS starts an instance's metadata service, if it is not there yet, and gives its URL: what
// AWS_EC2_METADATA_SERVICE_ENDPOINT takes. Faults of the service imds meet its calls; the operation is the path.
func (s *Sim) IMDS(instance string) (string, error) {
	s.mu.Lock()
	have, known := s.metadata[instance], s.state.Instances[instance] != nil
	s.mu.Unlock()
	if have != "" {
		return have, nil
	}
	if !known {
		return "", fmt.Errorf("cannot serve metadata: there is no instance %s", instance)
	}
	m := &metadata{s, instance, map[string]time.Time{}}
	url, err := s.serve("127.0.0.1:0", m)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metadata[instance] = url
	return url, nil
}

func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	svc := service{name: "imds", protocol: restJSON}
	req := Request{Service: svc.name, Operation: r.URL.Path, Caller: m.id, Params: map[string]string{}, Write: r.Method == http.MethodPut}
	m.mu.Lock()
	faults := m.match(req)
	m.mu.Unlock()
	stale, err := m.suffer(r.Context(), svc, req, faults)
	status, body := 0, ""
	if f, failed := err.(*failure); failed {
		status = f.status
		if f.code == "ThrottlingException" {
			status = http.StatusServiceUnavailable // its own way of throttling
		}
	} else if err == nil {
		m.mu.Lock()
		status, body = m.metadata(r, stale)
		m.mu.Unlock()
	}
	for _, f := range faults {
		if f.After != nil {
			f.After(req)
		}
	}
	if status >= 400 {
		req.Code = strconv.Itoa(status)
	}
	m.record(req)
	breakOff(faults)
	if status == 0 {
		panic(http.ErrAbortHandler) // there is no machine any more, or no caller
	}
	w.Header().Set("Content-Type", "text/plain")
	if r.Method == http.MethodPut {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
	}
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// metadata answers one call; status 0 is no answer. The caller holds mu.
func (m *metadata) metadata(r *http.Request, stale time.Duration) (status int, body string) {
	m.settle(m.now())
	st := m.state
	if stale > 0 {
		st = m.past(stale)
	}
	in := st.Instances[m.id]
	switch {
	case in == nil || in.Gone:
		return 0, ""
	case r.Method == http.MethodPut:
		return m.token(r)
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, ""
	case !m.tokens[r.Header.Get("X-Aws-Ec2-Metadata-Token")].After(m.now()):
		return http.StatusUnauthorized, ""
	}
	_, item, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/") // after the version
	if body, is := m.item(in, item); is {
		return http.StatusOK, body
	}
	return http.StatusNotFound, ""
}

// token gives a session's token: of latest only, a version's path is forbidden.
func (m *metadata) token(r *http.Request) (int, string) {
	if r.URL.Path != "/latest/api/token" {
		return http.StatusForbidden, ""
	}
	ttl, err := strconv.Atoi(r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
	if err != nil || ttl < 1 || ttl > 21600 {
		return http.StatusBadRequest, ""
	}
	token := m.uuid() + m.id
	m.tokens[token] = m.now().Add(time.Duration(ttl) * time.Second)
	return http.StatusOK, token
}

// item is what the path after the version names.
func (m *metadata) item(in *instance, path string) (string, bool) {
	if key, is := strings.CutPrefix(path, "meta-data/tags/instance/"); is && key != "" {
		value, has := in.Tags[key]
		return value, has
	}
	switch strings.TrimSuffix(path, "/") {
	case "meta-data/instance-id":
		return in.ID, true
	case "meta-data/instance-type":
		return "t3.micro", true
	case "meta-data/local-ipv4":
		return in.Address, true
	case "meta-data/placement/region":
		return m.Region, true
	case "meta-data/placement/availability-zone":
		return in.Zone, true
	case "meta-data/autoscaling/target-lifecycle-state":
		return in.target(), in.Moved
	case "meta-data/spot/instance-action":
		return fmt.Sprintf(`{"action":"terminate","time":%q}`, stamp(in.Notice)), !in.Notice.IsZero()
	case "meta-data/iam/security-credentials":
		return roleName, true
	case "meta-data/iam/security-credentials/" + roleName:
		return m.credentials(), true
	case "meta-data/tags/instance":
		keys := make([]string, 0, len(in.Tags))
		for k := range in.Tags {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		return strings.Join(keys, "\n"), true
	case "dynamic/instance-identity/document":
		return asJSON(map[string]any{"accountId": m.Account, "architecture": "x86_64", "availabilityZone": in.Zone, "imageId": "ami-0123456789abcdef0",
			"instanceId": in.ID, "instanceType": "t3.micro", "pendingTime": stamp(in.Launched), "privateIp": in.Address, "region": m.Region, "version": "2017-09-30"}), true
	}
	return "", false
}

// credentials are the instance's: their key says whose they are, see callerOf.
func (m *metadata) credentials() string {
	now := m.now()
	return asJSON(map[string]any{"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": stamp(now), "AccessKeyId": AccessKey(m.id),
		"SecretAccessKey": "secret", "Token": "token", "Expiration": stamp(now.Add(6 * time.Hour))})
}

// AccessKey is the access key of an instance's credentials: who signs with it is that instance to this AWS.
func AccessKey(instance string) string {
	return "ASIA" + strings.ToUpper(strings.TrimPrefix(instance, "i-"))
}

func asJSON(v any) string {
	text, _ := json.MarshalIndent(v, "", "  ") // of strings only: it cannot fail
	return string(text)
}

// target is the state that Auto Scaling is bringing an instance to, as against the one it is in.
func (in *instance) target() string {
	switch {
	case strings.HasPrefix(in.State, terminating):
		return terminated
	case strings.HasPrefix(in.State, pending):
		return inService
	}
	return in.State
}
