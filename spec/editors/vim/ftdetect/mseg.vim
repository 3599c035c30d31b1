autocmd BufNewFile,BufRead *.mseg setfiletype mseg
