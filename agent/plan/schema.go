package plan

import (
	"encoding/json"
	"fmt"
)

// Schema gives the JSON Schema (draft 7, as editors and SchemaStore take it) of "revision" (wingman.yml) or "host"
// (host.yml). It is made from the same tables that the files are read by.
func Schema(of string) (string, error) {
	var root schema
	switch of {
	case "revision":
		root = with(revisionShape.schema, "title", "wingman.yml: what a revision's lifecycle events do")
	case "host":
		root = with(hostShape.schema, "title", "/etc/wingman/host.yml: the host's settings of wingman")
	default:
		return "", fmt.Errorf("no schema of %q: revision or host", of)
	}
	root = with(root, "$schema", "http://json-schema.org/draft-07/schema#")
	step := with(stepShape.schema, "oneOf", []schema{{"required": []string{"script"}}, {"required": []string{"command"}}, {"required": []string{"check"}}, {"required": []string{suspendProcesses}}, {"required": []string{resumeProcesses}}})
	properties := schema{}
	for k, v := range step["properties"].(schema) {
		properties[k] = v
	}
	properties["check"] = schema{"$ref": "#/definitions/check"}
	root = with(root, "definitions", schema{"step": with(step, "properties", properties), "check": checkSchema()})
	b, err := json.MarshalIndent(root, "", "  ")
	return string(b), err
}

// checkSchema is the check's schema with what its keys mean together: exactly one kind, and one way to tell a build.
func checkSchema() schema {
	var kinds []schema
	for _, k := range []string{"http", "tcp", "command", "systemd", "build"} {
		kinds = append(kinds, schema{"required": []string{k}})
	}
	return with(checkShape.schema, "oneOf", kinds)
}
