package awssim

// autoscalingOperations is Amazon EC2 Auto Scaling, as far as wingman, its recoveries and its rehearsals meet it.
func autoscalingOperations() map[string]operation {
	return map[string]operation{
		"CreateAutoScalingGroup":    {true, (*call).createAutoScalingGroup},
		"UpdateAutoScalingGroup":    {true, (*call).updateAutoScalingGroup},
		"DeleteAutoScalingGroup":    {true, (*call).deleteAutoScalingGroup},
		"SetDesiredCapacity":        {true, (*call).setDesiredCapacity},
		"DescribeAutoScalingGroups": {false, (*call).describeAutoScalingGroups},

		"SuspendProcesses":            {true, (*call).suspendProcesses},
		"ResumeProcesses":             {true, (*call).resumeProcesses},
		"DescribeScalingProcessTypes": {false, (*call).describeScalingProcessTypes},

		"CreateOrUpdateTags": {true, (*call).createOrUpdateTags},
		"DeleteTags":         {true, (*call).deleteTags},
		"DescribeTags":       {false, (*call).describeTags},

		"DescribeAutoScalingInstances":        {false, (*call).describeAutoScalingInstances},
		"SetInstanceHealth":                   {true, (*call).setInstanceHealth},
		"SetInstanceProtection":               {true, (*call).setInstanceProtection},
		"TerminateInstanceInAutoScalingGroup": {true, (*call).terminateInstance},
		"EnterStandby":                        {true, (*call).enterStandby},
		"ExitStandby":                         {true, (*call).exitStandby},
		"DetachInstances":                     {true, (*call).detachInstances},
		"AttachInstances":                     {true, (*call).attachInstances},
		"DescribeScalingActivities":           {false, (*call).describeScalingActivities},

		"PutScalingPolicy":                 {true, (*call).putScalingPolicy},
		"DescribePolicies":                 {false, (*call).describePolicies},
		"DeletePolicy":                     {true, (*call).deletePolicy},
		"ExecutePolicy":                    {true, (*call).executePolicy},
		"PutScheduledUpdateGroupAction":    {true, (*call).putScheduledAction},
		"DescribeScheduledActions":         {false, (*call).describeScheduledActions},
		"DeleteScheduledAction":            {true, (*call).deleteScheduledAction},
		"PutLifecycleHook":                 {true, (*call).putLifecycleHook},
		"DescribeLifecycleHooks":           {false, (*call).describeLifecycleHooks},
		"DeleteLifecycleHook":              {true, (*call).deleteLifecycleHook},
		"CompleteLifecycleAction":          {true, (*call).completeLifecycleAction},
		"RecordLifecycleActionHeartbeat":   {true, (*call).recordHeartbeat},
		"StartInstanceRefresh":             {true, (*call).startInstanceRefresh},
		"DescribeInstanceRefreshes":        {false, (*call).describeInstanceRefreshes},
		"CancelInstanceRefresh":            {true, (*call).cancelInstanceRefresh},
		"PutNotificationConfiguration":     {true, (*call).putNotificationConfiguration},
		"AttachLoadBalancerTargetGroups":   {true, (*call).attachTargetGroups},
		"DetachLoadBalancerTargetGroups":   {true, (*call).detachTargetGroups},
		"DescribeLoadBalancerTargetGroups": {false, (*call).describeTargetGroupsOfGroup},
	}
}
