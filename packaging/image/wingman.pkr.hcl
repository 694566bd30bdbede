# Packer: an image with wingman in it. To be put into a build of yours, after the CodeDeploy agent.
#   packer build -var wingman_package=dist/codedeploy-wingman_VERSION_amd64.deb .
variable "wingman_package" {
  type = string
}

build {
  sources = ["source.amazon-ebs.base"] # yours

  provisioner "file" {
    source      = var.wingman_package
    destination = "/tmp/${basename(var.wingman_package)}"
  }

  provisioner "shell" {
    execute_command  = "sudo env {{ .Vars }} sh {{ .Path }}"
    environment_vars = ["PACKAGE=/tmp/${basename(var.wingman_package)}"]
    scripts          = ["packaging/image/user-data.sh", "packaging/image/clean.sh"]
  }
}
