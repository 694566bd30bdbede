// Package agent is wingman: what stands beside the AWS CodeDeploy agent on an instance. Its parts are packages below
// this folder, one a concern; docs/architecture.md says which, imports_test.go who may use whom.
//
// The words, each with one meaning everywhere:
//
//	CodeDeploy agent   AWS's agent
//	lifecycle event    one of CodeDeploy's names, as ValidateService
//	hook               a script that appspec.yml names for an event, and nothing else
//	revision           the unpacked bundle: appspec.yml, scripts, and optionally wingman.yml
//	step               one thing that an event does: a script, a command, a check
//	run                one execution of one event's steps on this instance, with an id and a record
//	rehearsal          a whole deployment of a revision on this machine, against simulated AWS
package agent
