package agent

import "net/http"

func (a *Agent) metrics(w http.ResponseWriter, _ *http.Request) {}
