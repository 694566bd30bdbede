package awssim

// alarm is a CloudWatch alarm.
type alarm struct{ Name string }

func cloudwatchOperations() map[string]operation { return map[string]operation{} }
