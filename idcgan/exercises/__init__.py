"""The checks of the course's exercises, one module per notebook: each looks at an answer and says in a sentence what is wrong with it."""
