"""Making dataset folders from the files of public datasets."""
