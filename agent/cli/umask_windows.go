package cli

func currentUmask() int { return 0 }
