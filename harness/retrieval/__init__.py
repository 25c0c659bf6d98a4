"""Does an entry copy the training set?"""
