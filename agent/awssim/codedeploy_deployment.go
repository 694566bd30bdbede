package awssim

import (
	"cmp"
	"slices"
)

type deploymentInput struct {
	ApplicationName, DeploymentGroupName, DeploymentConfigName, Description string
	DeploymentID, DeploymentWaitType, FileExistsBehavior, NextToken         string
	DeploymentIDs                                                           []string
	IncludeOnlyStatuses                                                     []string
	CreateTimeRange                                                         struct{ Start, End *float64 }
	Revision                                                                *revision
	TargetInstances                                                         *targetInstances
	AutoRollbackConfiguration                                               *autoRollback
	AutoRollbackEnabled                                                     *bool
	IgnoreApplicationStopFailures, UpdateOutdatedInstancesOnly              bool
}

// deployment finds a deployment or says that it is not there.
func (c *call) deployment(id string) (*deployment, error) {
	if d := c.st.Deployments[id]; d != nil {
		return d, nil
	}
	return nil, refused("DeploymentDoesNotExist", "The deployment %s could not be found", id)
}

func createDeployment(c *call, in *deploymentInput) (any, error) {
	g, err := c.deploymentGroup(in.ApplicationName, in.DeploymentGroupName)
	if err != nil {
		return nil, err
	}
	d := &deployment{Creator: "user", Description: in.Description, Revision: g.Revision, TargetInstances: in.TargetInstances,
		IgnoreStopFailures: in.IgnoreApplicationStopFailures, UpdateOutdatedOnly: in.UpdateOutdatedInstancesOnly, FileExists: in.FileExistsBehavior}
	keep(&d.Revision, in.Revision)
	if err := c.create(g, d, in.DeploymentConfigName, in.AutoRollbackConfiguration); err != nil {
		return nil, err
	}
	return answer{"deploymentId": d.ID}, nil
}

// create makes a deployment to a group and starts it.
func (s *Sim) create(g *deploymentGroup, d *deployment, config string, rollback *autoRollback) error {
	if err := d.Revision.check(); err != nil {
		return err
	}
	d.Settings = g.Settings
	if config != "" {
		if _, known := configs()[config]; !known {
			return noConfig(config)
		}
		d.Settings.Config = config
	}
	keep(&d.Settings.AutoRollback, rollback)
	if running := s.running(g); running != "" && !byScaling(d.Creator) {
		return refused("DeploymentLimitExceeded", "The Deployment Group '%s' already has an active Deployment '%s'", g.Name, running)
	}
	if bg := d.Settings.BlueGreen; d.TargetInstances == nil && d.Settings.Style.Type == "BLUE_GREEN" && !bg.copies() && d.Creator == "user" {
		return refused("InvalidTargetInstances", "The target instances of the replacement environment must be provided for DISCOVER_EXISTING")
	}
	if g.LastSuccessful != nil {
		d.PreviousRevision = g.Revision
	}
	d.ID, d.Application, d.Group, d.GroupID = s.deploymentID(), g.Application, g.Name, g.ID
	d.Created, d.Messages, d.FileExists = seconds{s.now()}, []string{}, cmp.Or(d.FileExists, "DISALLOW")
	for _, h := range g.ScalingGroups {
		d.Originals = append(d.Originals, h.Name)
	}
	s.state.Deployments[d.ID] = d
	s.state.Applications[g.Application].Revisions[d.Revision.name()] = d.Revision
	s.become(d, "Created")
	s.after(0, func() { s.become(d, "Queued"); s.after(0, func() { s.dequeue(d) }) })
	return nil
}

// byScaling says that Auto Scaling caused a deployment: those of one instance each, beside which others may run.
func byScaling(creator string) bool {
	return creator == "autoscaling" || creator == "autoscalingTermination"
}

// running gives the group's deployment under way. There is at most one (limits.md).
func (s *Sim) running(g *deploymentGroup) string {
	for _, d := range s.state.Deployments {
		if d.GroupID == g.ID && !over(d.Status) && !byScaling(d.Creator) {
			return d.ID
		}
	}
	return ""
}

func getDeployment(c *call, in *deploymentInput) (any, error) {
	d, err := c.deployment(in.DeploymentID)
	if err != nil {
		return nil, err
	}
	return answer{"deploymentInfo": d.info()}, nil
}

func batchGetDeployments(c *call, in *deploymentInput) (any, error) {
	if len(in.DeploymentIDs) > 25 {
		return nil, refused("BatchLimitExceeded", "The maximum number of names or IDs allowed for this request (25) was exceeded.")
	}
	infos := []any{}
	for _, id := range in.DeploymentIDs {
		if d := c.st.Deployments[id]; d != nil { // AWS leaves out what it does not know
			infos = append(infos, d.info())
		}
	}
	return answer{"deploymentsInfo": infos}, nil
}

// listDeployments gives ids, newest first.
func listDeployments(c *call, in *deploymentInput) (any, error) {
	if in.DeploymentGroupName != "" || in.ApplicationName != "" {
		if _, err := c.deploymentGroup(in.ApplicationName, in.DeploymentGroupName); err != nil {
			return nil, err
		}
	}
	known := []string{"Created", "Queued", "InProgress", "Baking", "Succeeded", "Failed", "Stopped", "Ready"}
	for _, status := range in.IncludeOnlyStatuses {
		if !slices.Contains(known, status) {
			return nil, refused("InvalidDeploymentStatus", "Invalid deployment status: %s", status)
		}
	}
	var found []*deployment
	for _, d := range c.st.Deployments {
		created := float64(d.Created.UnixMilli()) / 1000
		switch {
		case in.ApplicationName != "" && d.Application != in.ApplicationName, in.DeploymentGroupName != "" && d.Group != in.DeploymentGroupName,
			len(in.IncludeOnlyStatuses) > 0 && !slices.Contains(in.IncludeOnlyStatuses, d.Status),
			in.CreateTimeRange.Start != nil && created < *in.CreateTimeRange.Start, in.CreateTimeRange.End != nil && created > *in.CreateTimeRange.End:
		default:
			found = append(found, d)
		}
	}
	slices.SortFunc(found, func(a, b *deployment) int { return cmp.Or(b.Created.Compare(a.Created.Time), cmp.Compare(a.ID, b.ID)) })
	ids := []string{}
	for _, d := range found {
		ids = append(ids, d.ID)
	}
	return listed("deployments", ids, in.NextToken)
}

func stopDeployment(c *call, in *deploymentInput) (any, error) {
	d, err := c.deployment(in.DeploymentID)
	if err != nil {
		return nil, err
	}
	if over(d.Status) {
		return nil, refused("DeploymentAlreadyCompleted", "The deployment %s has already completed", d.ID)
	}
	// Without a word about it the group's own setting holds.
	rollback := d.rollsBackOn("DEPLOYMENT_STOP_ON_REQUEST")
	set(&rollback, in.AutoRollbackEnabled)
	c.stop(d, rollback)
	if over(d.Status) {
		return answer{"status": "Succeeded", "statusMessage": "No more commands will be scheduled for execution in the deployment instances"}, nil
	}
	return answer{"status": "Pending", "statusMessage": "The deployment is being stopped: commands under way are not interrupted"}, nil
}

func continueDeployment(c *call, in *deploymentInput) (any, error) {
	d, err := c.deployment(in.DeploymentID)
	if err != nil {
		return nil, err
	}
	return nil, c.proceed(d, cmp.Or(in.DeploymentWaitType, "READY_WAIT"))
}

// proceed ends a wait before its time.
func (s *Sim) proceed(d *deployment, wait string) error {
	switch {
	case wait != "READY_WAIT" && wait != "TERMINATION_WAIT":
		return refused("InvalidDeploymentWaitType", "Invalid deployment wait type: %s", wait)
	case over(d.Status) && d.Phase != "terminate":
		return refused("DeploymentAlreadyCompleted", "The deployment %s has already completed", d.ID)
	case d.Settings.Style.Type != "BLUE_GREEN":
		return refused("UnsupportedActionForDeploymentType", "ContinueDeployment is for blue/green deployments only")
	case wait == "READY_WAIT" && d.Phase == "ready":
		s.reroute(d)
		return nil
	case wait == "TERMINATION_WAIT" && d.Phase == "terminate":
		s.endBlue(d)
		return nil
	}
	return refused("DeploymentIsNotInReadyState", "The deployment %s is not in a ready state", d.ID)
}

type targetInput struct {
	DeploymentID, TargetID, NextToken string
	TargetIDs                         []string
	TargetFilters                     map[string][]string
}

// startedDeployment finds a deployment whose targets are known.
func (c *call) startedDeployment(id string) (*deployment, error) {
	d, err := c.deployment(id)
	if err == nil && len(d.Targets) == 0 && !over(d.Status) {
		err = refused("DeploymentNotStarted", "The deployment %s has not started", id)
	}
	return d, err
}

func listDeploymentTargets(c *call, in *targetInput) (any, error) {
	d, err := c.startedDeployment(in.DeploymentID)
	if err != nil {
		return nil, err
	}
	for name := range in.TargetFilters {
		if name != "TargetStatus" && name != "ServerInstanceLabel" {
			return nil, refused("InvalidTargetFilterName", "Invalid target filter name: %s", name)
		}
	}
	ids := []string{}
	for _, t := range d.Targets {
		status, label := in.TargetFilters["TargetStatus"], in.TargetFilters["ServerInstanceLabel"]
		if (len(status) == 0 || slices.Contains(status, t.Status)) && (len(label) == 0 || slices.Contains(label, t.Label)) {
			ids = append(ids, t.ID)
		}
	}
	return listed("targetIds", ids, in.NextToken)
}

// described is a target as it is answered.
func described(d *deployment, id string) (any, error) {
	t := d.target(id)
	if t == nil {
		return nil, refused("DeploymentTargetDoesNotExist", "The deployment target %s could not be found in the deployment %s", id, d.ID)
	}
	return answer{"deploymentTargetType": "InstanceTarget", "instanceTarget": t}, nil
}

func getDeploymentTarget(c *call, in *targetInput) (any, error) {
	d, err := c.startedDeployment(in.DeploymentID)
	if err != nil {
		return nil, err
	}
	t, err := described(d, in.TargetID)
	if err != nil {
		return nil, err
	}
	return answer{"deploymentTarget": t}, nil
}

func batchGetDeploymentTargets(c *call, in *targetInput) (any, error) {
	if len(in.TargetIDs) > 25 {
		return nil, refused("DeploymentTargetListSizeExceeded", "The target list is too long: the maximum is 25")
	}
	d, err := c.startedDeployment(in.DeploymentID)
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, id := range in.TargetIDs {
		t, err := described(d, id)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return answer{"deploymentTargets": all}, nil
}

// rollsBackOn says whether a deployment's settings ask for a rollback on this.
func (d *deployment) rollsBackOn(what string) bool {
	r := d.Settings.AutoRollback
	return r != nil && r.Enabled && slices.Contains(r.Events, what)
}

// become gives a deployment its next status, and its group's memory of it too.
func (s *Sim) become(d *deployment, status string) {
	now := seconds{s.now()}
	d.Status = status
	if status == "InProgress" && d.Started.IsZero() {
		d.Started = now
	}
	if over(status) && d.Completed.IsZero() {
		d.Completed = now
	}
	p := Progress{Deployment: d.ID, Status: status}
	if d.Failure != nil {
		p.Text = d.Failure.Code + ": " + d.Failure.Message
	}
	s.tell(p)
	g := s.state.deploymentGroup(d.Application, d.Group)
	if g == nil || g.ID != d.GroupID || byScaling(d.Creator) {
		return
	}
	last := &lastDeployment{ID: d.ID, Status: status, Ended: d.Completed, Created: d.Created}
	g.LastAttempted = last
	if status == "Succeeded" {
		g.LastSuccessful, g.Revision = last, d.Revision
	}
}
