package awssim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

func codedeployOperations() map[string]operation {
	return map[string]operation{
		"CreateApplication":           deploys(true, createApplication),
		"GetApplication":              deploys(false, getApplication),
		"ListApplications":            deploys(false, listApplications),
		"RegisterApplicationRevision": deploys(true, registerRevision),
		"GetApplicationRevision":      deploys(false, getRevision),
		"GetDeploymentConfig":         deploys(false, getDeploymentConfig),
		"ListDeploymentConfigs":       deploys(false, listDeploymentConfigs),
		"CreateDeploymentGroup":       deploys(true, createDeploymentGroup),
		"GetDeploymentGroup":          deploys(false, getDeploymentGroup),
		"BatchGetDeploymentGroups":    deploys(false, batchGetDeploymentGroups),
		"ListDeploymentGroups":        deploys(false, listDeploymentGroups),
		"UpdateDeploymentGroup":       deploys(true, updateDeploymentGroup),
		"DeleteDeploymentGroup":       deploys(true, deleteDeploymentGroup),
		"CreateDeployment":            deploys(true, createDeployment),
		"GetDeployment":               deploys(false, getDeployment),
		"BatchGetDeployments":         deploys(false, batchGetDeployments),
		"ListDeployments":             deploys(false, listDeployments),
		"StopDeployment":              deploys(true, stopDeployment),
		"ContinueDeployment":          deploys(true, continueDeployment),
		"ListDeploymentTargets":       deploys(false, listDeploymentTargets),
		"GetDeploymentTarget":         deploys(false, getDeploymentTarget),
		"BatchGetDeploymentTargets":   deploys(false, batchGetDeploymentTargets),
	}
}

// answer is the body of an answer.
type answer map[string]any

// refused is a CodeDeploy error: all of them have status 400.
func refused(exception, format string, args ...any) *failure {
	return fails(http.StatusBadRequest, exception+"Exception", format, args...)
}

// deploys makes an operation of a function that takes its input decoded. JSON matches names without regard to case,
// so that inputs need no tags. The answer is encoded at once: it refers to the state, which the lock protects.
func deploys[I any](write bool, f func(*call, *I) (any, error)) operation {
	return operation{write, func(c *call) (any, error) {
		in := new(I)
		if err := json.Unmarshal(c.body, in); err != nil {
			return nil, refused("Serialization", "%s", err)
		}
		out, err := f(c, in)
		if out == nil || err != nil {
			return nil, err
		}
		body, err := json.Marshal(out)
		return json.RawMessage(body), err
	}}
}

// pageSize is how many things a list answers at once. AWS's own is 100 for deployments and targets.
const pageSize = 100

// listed is the answer of a list: the part that a token stands for, and the next part's token where there is more.
func listed(key string, all []string, token string) (answer, error) {
	from, err := 0, error(nil)
	if token != "" {
		from, err = strconv.Atoi(token)
	}
	if err != nil || from < 0 || from > len(all) {
		return nil, refused("InvalidNextToken", "The next token is invalid: %s", token)
	}
	to := min(from+pageSize, len(all))
	out := answer{key: append([]string{}, all[from:to]...)}
	if to < len(all) {
		out["nextToken"] = strconv.Itoa(to)
	}
	return out, nil
}

type applicationInput struct {
	ApplicationName, ComputePlatform, Description, NextToken string
	Revision                                                 *revision
}

// application finds an application or says that it is not there. That a name is there at all AWS's clients see to.
func (c *call) application(name string) (*application, error) {
	if a := c.st.Applications[name]; a != nil {
		return a, nil
	}
	return nil, refused("ApplicationDoesNotExist", "No application found for name: %s", name)
}

func createApplication(c *call, in *applicationInput) (any, error) {
	id, err := c.addApplication(in.ApplicationName, in.ComputePlatform)
	if err != nil {
		return nil, err
	}
	return answer{"applicationId": id}, nil
}

func (s *Sim) addApplication(name, platform string) (string, error) {
	if s.state.Applications[name] != nil {
		return "", refused("ApplicationAlreadyExists", "An application already exists with name: %s", name)
	}
	if platform == "" {
		platform = "Server"
	}
	a := &application{ID: s.uid("application"), Name: name, Created: seconds{s.now()}, Platform: platform, Groups: map[string]*deploymentGroup{}, Revisions: map[string]*revision{}}
	s.state.Applications[name] = a
	return a.ID, nil
}

func getApplication(c *call, in *applicationInput) (any, error) {
	a, err := c.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	return answer{"application": a}, nil
}

func listApplications(c *call, in *applicationInput) (any, error) {
	return listed("applications", slices.Sorted(maps.Keys(c.st.Applications)), in.NextToken)
}

// check says whether a revision that a caller gave can be one.
func (r *revision) check() error {
	switch {
	case r == nil:
		return refused("RevisionRequired", "Revision must be provided")
	case r.Type == "S3" && r.S3 != nil, r.Type == "GitHub" && r.GitHub != nil:
		return nil
	}
	return refused("InvalidRevision", "The revision's type and location do not go together: %s", r.Type)
}

func registerRevision(c *call, in *applicationInput) (any, error) {
	a, err := c.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	if err := in.Revision.check(); err != nil {
		return nil, err
	}
	a.Revisions[in.Revision.name()] = in.Revision
	return nil, nil
}

func getRevision(c *call, in *applicationInput) (any, error) {
	a, err := c.application(in.ApplicationName)
	if err != nil {
		return nil, err
	}
	if known, has := a.Revisions[in.Revision.name()]; has {
		return answer{"applicationName": a.Name, "revision": known, "revisionInfo": answer{}}, nil
	}
	return nil, refused("RevisionDoesNotExist", "No revision found for application %s: %s", a.Name, in.Revision.name())
}
