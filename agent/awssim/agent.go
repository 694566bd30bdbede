package awssim

// Agent stands for the CodeDeploy agents of all instances: it is given one command after the other for an instance,
// runs it in a goroutine of its own, and says once how it came out.
type Agent func(c Command, done func(Outcome))

// Command is what CodeDeploy has an instance do: one lifecycle event.
type Command struct {
	Deployment, Application, Group, GroupID string
	Event                                   string // ApplicationStop, DownloadBundle, …; never BlockTraffic or AllowTraffic
	Creator                                 string // user, codeDeployRollback, …
	Type                                    string // IN_PLACE or BLUE_GREEN
	Revision                                string // the bundle's name, as it was given to Deploy
	Instance, Address                       string
}

// Outcome is how a command came out, as the CodeDeploy agent reports it.
type Outcome struct {
	Succeeded            bool
	ErrorCode            string // Success, ScriptMissing, ScriptNotExecutable, ScriptTimedOut, ScriptFailed, UnknownError
	Script, Message, Log string
}
