"""The labelled development metaphases as a data set version, built over HTTP as any lab would."""
