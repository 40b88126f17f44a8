"""The templates of the generated module: shape only, filled with finished strings by ``nablac.emit.render``."""
