import qualified Data.Map as Map
import System.Exit

main :: IO ()
main = do
  text <- getContents
  let counts = Map.fromListWith (+) [(word, 1 :: Int) | word <- lines text]
  mapM_ (\(name, count) -> putStrLn (name ++ "\t" ++ show count)) (Map.toList counts)
  writeFile "/output/sum" (show (Map.size counts))
  exitWith (ExitFailure 3)
