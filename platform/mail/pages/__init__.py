"""The pages of outgoing mail; in a folder of their own, because ``templates`` beside this one are those of mails."""
