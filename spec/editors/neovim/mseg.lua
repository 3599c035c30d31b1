-- Language server for mseg in Neovim, no plugin needed: put this in init.lua, or this file into ~/.config/nvim/plugin/.
vim.filetype.add({ extension = { mseg = "mseg" } })
local started = {} -- by folder; only where Neovim (before 0.8) does not keep count itself
vim.api.nvim_create_autocmd("FileType", {
  pattern = "mseg",
  callback = function(event)
    local root = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(event.buf), ":p:h")
    local config = { name = "mseg", cmd = { "mseg", "lsp" }, root_dir = root }
    if vim.lsp.start then
      vim.lsp.start(config)
    else
      started[root] = started[root] or vim.lsp.start_client(config)
      vim.lsp.buf_attach_client(event.buf, started[root])
    end
  end,
})
