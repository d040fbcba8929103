"""Images: what scanners export, made into channel stacks, drawn, registered and exported.

Everything here works on bytes and arrays: no database, no settings, no network, no torch.
"""
