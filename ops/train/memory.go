package train

func (r *run) explained(err error) error { return err }
