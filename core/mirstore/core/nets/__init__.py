"""What models that are torch networks share: how their input is read in batches, how they learn, how they are kept."""
