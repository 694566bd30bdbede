#!/bin/sh
# The last step of an image's build (Packer, Image Builder), where wingman has run already: what it knows is of the
# instance that built the image. Settings stay; the service starts with the first boot of each instance.
set -eu
systemctl stop wingman
rm -rf /var/lib/wingman /var/log/wingman /run/wingman
