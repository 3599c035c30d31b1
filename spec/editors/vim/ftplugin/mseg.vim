if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1

setlocal commentstring=#\ %s comments=:#
setlocal expandtab shiftwidth=2 softtabstop=2
if executable("mseg")
  setlocal formatprg=mseg\ fmt\ -
  setlocal makeprg=mseg\ check\ --errors\ short\ %:S
  setlocal errorformat=%f:%l:%c:\ %m
endif

let b:undo_ftplugin = "setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< formatprg< makeprg< errorformat<"
