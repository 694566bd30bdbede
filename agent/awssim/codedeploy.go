package awssim

// application is one of CodeDeploy's.
type application struct{ Name string }

// deployment is one deployment of an application to a deployment group.
type deployment struct{ ID string }

func codedeployOperations() map[string]operation { return map[string]operation{} }
