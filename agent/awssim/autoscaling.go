package awssim

// autoscalingOperations is Amazon EC2 Auto Scaling, as far as wingman, its recoveries and its rehearsals meet it.
func autoscalingOperations() map[string]operation {
	return map[string]operation{
		"CreateAutoScalingGroup":    {true, (*call).createAutoScalingGroup},
		"UpdateAutoScalingGroup":    live((*call).updateAutoScalingGroup),
		"DeleteAutoScalingGroup":    writes((*call).deleteAutoScalingGroup),
		"SetDesiredCapacity":        live((*call).setDesiredCapacity, "DesiredCapacity"),
		"DescribeAutoScalingGroups": {false, (*call).describeAutoScalingGroups},

		"SuspendProcesses":            writes((*call).suspendProcesses),
		"ResumeProcesses":             writes((*call).resumeProcesses),
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
		"DeleteScheduledAction":          writes((*call).deleteScheduledAction),
		"PutLifecycleHook":               live((*call).putLifecycleHook, "LifecycleHookName"),
		"DescribeLifecycleHooks":         reads((*call).describeLifecycleHooks),
		"DeleteLifecycleHook":            writes((*call).deleteLifecycleHook),
		"CompleteLifecycleAction":        writes((*call).completeLifecycleAction),
		"RecordLifecycleActionHeartbeat": writes((*call).recordHeartbeat),
		"StartInstanceRefresh":           live((*call).startInstanceRefresh),
		"DescribeInstanceRefreshes":      reads((*call).describeInstanceRefreshes),
		"CancelInstanceRefresh":          writes((*call).cancelInstanceRefresh),
		"PutNotificationConfiguration":   live((*call).putNotificationConfiguration, "TopicARN"),
		"AttachLoadBalancerTargetGroups": live((*call).attachTargetGroups),
		"DetachLoadBalancerTargetGroups": live((*call).detachTargetGroups),
	}
}

// onGroup is an operation on the group that the call names.
type onGroup func(*call, *group) (any, error)

// reads is an operation that reads one group.
func reads(run onGroup) operation {
	return operation{false, func(c *call) (any, error) {
		g, err := c.group()
		if err != nil {
			return nil, err
		}
		return run(c, g)
	}}
}

// writes is one that changes a group, also while it is being deleted.
func writes(run onGroup) operation { return operation{true, reads(run).run} }

// live is one that changes a group, unless it is being deleted. It needs these parameters.
func live(run onGroup, needs ...string) operation {
	return writes(func(c *call, g *group) (any, error) {
		if g.Deleting {
			return nil, invalid("AutoScalingGroup '%s' is pending delete", g.Name)
		}
		if err := c.need(needs...); err != nil {
			return nil, err
		}
		return run(c, g)
	})
}
