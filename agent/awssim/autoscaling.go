package awssim

func autoscalingOperations() map[string]operation { return map[string]operation{} }
