"""Making dataset folders: what turns raw data and raw text into something to train on."""
