"""The shortcut audit: does a model's AUROC come from the abnormality, or from how the images were made?"""
