package awssim

// targetGroup is a target group of Elastic Load Balancing v2.
type targetGroup struct{ ARN string }

func elbOperations() map[string]operation { return map[string]operation{} }
