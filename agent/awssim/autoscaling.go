package awssim

// autoscalingOperations is Amazon EC2 Auto Scaling, as far as wingman, its recoveries and its rehearsals meet it.
func autoscalingOperations() map[string]operation {
	return map[string]operation{
		"CreateAutoScalingGroup":    {true, (*call).createAutoScalingGroup},
		"UpdateAutoScalingGroup":    live((*call).updateAutoScalingGroup),
		"DeleteAutoScalingGroup":    any1((*call).deleteAutoScalingGroup),
		"SetDesiredCapacity":        live((*call).setDesiredCapacity, "DesiredCapacity"),
		"DescribeAutoScalingGroups": {false, (*call).describeAutoScalingGroups},

		"SuspendProcesses":            any1((*call).suspendProcesses),
		"ResumeProcesses":             any1((*call).resumeProcesses),
		"DescribeScalingProcessTypes": {false, (*call).describeScalingProcessTypes},

		"CreateOrUpdateTags": {true, (*call).createOrUpdateTags},
		"DeleteTags":         {true, (*call).deleteTags},
		"DescribeTags":       {false, (*call).describeTags},

		"DescribeAutoScalingInstances":        {false, (*call).describeAutoScalingInstances},
		"SetInstanceHealth":                   {true, (*call).setInstanceHealth},
		"SetInstanceProtection":               live((*call).setInstanceProtection),
		"TerminateInstanceInAutoScalingGroup": {true, (*call).terminateInstance},
		"EnterStandby":                        live((*call).enterStandby, "ShouldDecrementDesiredCapacity"),
		"ExitStandby":                         live((*call).exitStandby),
		"DetachInstances":                     live((*call).detachInstances, "ShouldDecrementDesiredCapacity"),
		"DescribeScalingActivities":           {false, (*call).describeScalingActivities},

		"PutScalingPolicy":               live((*call).putScalingPolicy, "PolicyName"),
		"DescribePolicies":               {false, (*call).describePolicies},
		"DeletePolicy":                   {true, (*call).deletePolicy},
		"ExecutePolicy":                  {true, (*call).executePolicy},
		"PutScheduledUpdateGroupAction":  live((*call).putScheduledAction, "ScheduledActionName"),
		"DescribeScheduledActions":       {false, (*call).describeScheduledActions},
		"DeleteScheduledAction":          any1((*call).deleteScheduledAction),
		"PutLifecycleHook":               live((*call).putLifecycleHook, "LifecycleHookName"),
		"DescribeLifecycleHooks":         read1((*call).describeLifecycleHooks),
		"DeleteLifecycleHook":            any1((*call).deleteLifecycleHook),
		"CompleteLifecycleAction":        any1((*call).completeLifecycleAction),
		"RecordLifecycleActionHeartbeat": any1((*call).recordHeartbeat),
		"StartInstanceRefresh":           live((*call).startInstanceRefresh),
		"DescribeInstanceRefreshes":      read1((*call).describeInstanceRefreshes),
		"CancelInstanceRefresh":          any1((*call).cancelInstanceRefresh),
		"PutNotificationConfiguration":   live((*call).putNotificationConfiguration, "TopicARN"),
		"AttachLoadBalancerTargetGroups": live((*call).attachTargetGroups),
		"DetachLoadBalancerTargetGroups": live((*call).detachTargetGroups),
	}
}

// onGroup is an operation on the group that the call names.
type onGroup func(*call, *group) (any, error)

// read1 reads one group.
func read1(run onGroup) operation {
	return operation{false, func(c *call) (any, error) {
		g, err := c.group()
		if err != nil {
			return nil, err
		}
		return run(c, g)
	}}
}

// any1 writes to one group, also while it is being deleted.
func any1(run onGroup) operation { return operation{true, read1(run).run} }

// live writes to one group that is not being deleted. It needs these parameters.
func live(run onGroup, needs ...string) operation {
	return any1(func(c *call, g *group) (any, error) {
		if g.Deleting {
			return nil, invalid("AutoScalingGroup '%s' is pending delete", g.Name)
		}
		if err := c.need(needs...); err != nil {
			return nil, err
		}
		return run(c, g)
	})
}
