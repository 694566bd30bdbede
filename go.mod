module github.com/codedeploy-wingman/wingman

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	golang.org/x/sys v0.49.0
	gopkg.in/yaml.v3 v3.0.1
)
