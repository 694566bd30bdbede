package awssim

import "net/http"

// schedule is one of EventBridge Scheduler's.
type schedule struct{ Name string }

func schedulerOperations() map[string]operation { return map[string]operation{} }

// restRoute finds the scheduler's operation by method and path.
func restRoute(r *http.Request) (name string, path []string) { return "", nil }
