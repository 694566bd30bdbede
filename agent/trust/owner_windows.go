package trust

import "io/fs"

const judged = false

func foreignGroup(fs.FileInfo) bool { return false }
