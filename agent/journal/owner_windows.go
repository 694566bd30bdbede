package journal

import "io/fs"

// another gives who owns a folder, if that is another user than the caller; here files take their owner from the folder.
func another(fs.FileInfo) (uid, gid int) { return -1, -1 }
